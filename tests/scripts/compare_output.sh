#!/usr/bin/env bash
# tests/scripts/compare_output.sh [--needs MODULE] EXPECTED COMMAND [ARGUMENT...]
#
# Fails unless COMMAND prints what the file EXPECTED holds and ends with exit code 0. With --needs it ends with 77, which
# ctest reports as skipped, when the system's Python has no such MODULE.
set -uo pipefail

if [[ $1 == --needs ]]; then
  if ! /usr/bin/python3 -c "import $2" 2>/dev/null; then
    echo "skipped: /usr/bin/python3 has no module $2"
    exit 77
  fi
  shift 2
fi
expected=$1
shift
"$@" | diff "$expected" -
codes=("${PIPESTATUS[@]}")
if ((codes[0] != 0)); then
  echo "FAILED: exit code ${codes[0]}: $*"
fi
((codes[0] == 0 && codes[1] == 0))
