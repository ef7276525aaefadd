#!/usr/bin/env bash
# A program that has initialised MPI itself hands its communicators to Backflow, at every thread level.
set -uo pipefail

program=${BACKFLOW_BIN:?directory of the test programs}/test_distributed
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
failures=0

for level in single funneled serialized multiple; do
  for ranks in 1 2 4; do
    output=$(timeout --kill-after=2 60 mpirun --bind-to none --map-by slot --oversubscribe -n "$ranks" \
      "$program" own_mpi "$level" 2>&1)
    code=$?
    if ((code != 0)) || ! grep -q 'own MPI: passed' <<<"$output"; then
      printf 'FAILED: level %s on %s ranks: exit code %s\n%s\n' "$level" "$ranks" "$code" "$output"
      echo "reproduce: scripts/mpirun.sh -n $ranks $program own_mpi $level"
      failures=$((failures + 1))
    fi
  done
done
exit $((failures > 0))
