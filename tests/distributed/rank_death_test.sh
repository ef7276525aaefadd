#!/usr/bin/env bash
# A rank that dies ends the whole job (a minute later it counts as hanging), with a message that names it: killed, thrown out of by an
# exception, or gone while the others wait for it in a reduction or at the end.
set -uo pipefail

program=${BACKFLOW_BIN:?directory of the test programs}/test_distributed
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
failures=0

# expect HOW RANKS PATTERN: the job must fail, in time, and say PATTERN.
expect() {
  local code
  output=$(timeout --kill-after=2 60 mpirun --bind-to none --map-by slot --oversubscribe -n "$2" \
    "$program" rank_death "$1" 2>&1 | tr -d '\0'; exit "${PIPESTATUS[0]}")
  code=$?
  # Open MPI 5 breaks its message into lines.
  if ((code == 0 || code == 124)) || ! tr '\n' ' ' <<<"$output" | grep -Eq -- "$3"; then
    echo "FAILED: $1 on $2 ranks: exit code $code, wanted a failure that says '$3'; output:"
    echo "$output"
    echo "reproduce: scripts/mpirun.sh -n $2 $program rank_death $1"
    failures=$((failures + 1))
  fi
}

# expect_end HOW RANKS PATTERN: the same, and one rank alone says so, and a rank that was stopped is gone.
expect_end() {
  local victim told
  expect "$@"
  victim=$(grep -oE 'process [0-9]+ stops' <<<"$output" | grep -oE '[0-9]+')
  told=$(grep -c '^caught on rank' <<<"$output")
  for _ in {1..20}; do
    [[ -n $victim && -e /proc/$victim ]] || break
    sleep 0.1
  done
  if [[ -z $victim || -e /proc/$victim ]] || ((told != 1)); then
    echo "FAILED: $1 on $2 ranks: $told messages, wanted one; process '$victim', wanted it gone; output:"
    echo "$output"
    failures=$((failures + 1))
  fi
}

for ranks in 2 4; do
  expect kill "$ranks" 'rank 1 .*(signal 9|Killed)'
  expect kill_before_end "$ranks" 'rank 1 .*(signal 9|Killed)'
  expect abort "$ranks" 'rank 1 gives up'
  expect throw "$ranks" 'caught on rank 1: rank 1 has had enough'
  expect leave "$ranks" 'rank 0 is at all_reduce_sum .*, rank 1 at the end of its run'
  expect exit "$ranks" ''  # only mpirun could say who it was, and Open MPI 4.1 loses that message at times
  bucket='rank 1 \(process [0-9]+, which is stopped\) in step 7, bucket 2, all_reduce_async f32\[1000000\] with tag [0-9]+'
  expect_end stop "$ranks" "caught on rank [0-9]: communicator: waited [0-9.]+ s for $bucket: need every rank within"
  expect_end stop_and_tell "$ranks" "waiting for $bucket, for [0-9.]+ s so far.* waited [0-9.]+ s for rank 1 "
  expect_end stop_and_ask "$ranks" "caught on rank [0-9]: communicator: stopped by a signal while waiting for $bucket"
done
exit $((failures > 0))
