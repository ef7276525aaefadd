#!/usr/bin/env bash
# What tests/scripts/compare_output.sh takes for a success and what not.
set -uo pipefail

compare=$(dirname "${BASH_SOURCE[0]}")/compare_output.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf 'one\ntwo\n' >"$scratch/expected"
failures=0

# expect CODE ARGUMENT...: compare_output.sh must end with CODE.
expect() {
  local wanted=$1 output code
  shift
  output=$(bash "$compare" "$@" 2>&1)
  code=$?
  if ((code != wanted)); then
    echo "FAILED: exit code $code, want $wanted: compare_output.sh $*"
    echo "$output"
    failures=$((failures + 1))
  fi
}

expect 0 "$scratch/expected" printf 'one\ntwo\n'
expect 1 "$scratch/expected" printf 'one\n'
expect 1 "$scratch/expected" printf 'one\ntwo\nthree\n'
expect 1 "$scratch/none" printf 'one\ntwo\n'
# All is printed, and then it fails, crashes, or does not even exist.
expect 1 "$scratch/expected" sh -c 'printf "one\ntwo\n"; exit 3'
expect 1 "$scratch/expected" sh -c 'printf "one\ntwo\n"; kill -SEGV $$'
expect 1 "$scratch/expected" "$scratch/no-such-program"
expect 0 --needs sys "$scratch/expected" printf 'one\ntwo\n'
expect 77 --needs no_such_module "$scratch/expected" printf 'one\ntwo\n'
exit $((failures > 0))
