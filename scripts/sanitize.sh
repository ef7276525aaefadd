#!/usr/bin/env bash
# scripts/sanitize.sh [asan] [tsan] [-- CTEST-OPTION...]
#
# Builds and runs the tests with sanitizers, and says how long each part took:
#   asan   the whole suite with AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan   runtime, nn, distributed, and of ops what runs on several threads, with ThreadSanitizer; not what is labelled slow
# Without a name, both. A part that fails does not keep the other from running. After --, options of ctest for the parts
# named, as in "scripts/sanitize.sh tsan -- -R test_nn". Exit code 1 when a part fails.
# What Open MPI and oneTBB do themselves is no finding: tests/tsan.supp; leaks are not looked for where ranks are started.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

parts=()
while (($#)); do
  case $1 in
    --help | -h) show_help && exit 0 ;;
    asan | tsan) parts+=("$1") ;;
    --) shift && break ;;
    *) die "unknown part $1; see --help" ;;
  esac
  shift
done
((${#parts[@]})) || parts=(asan tsan)

duration() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

# part PRESET CTEST-OPTION...: adds a line to the summary; fails when the build or a test does.
part() {
  local preset=$1 start=$SECONDS built result=OK
  shift
  say "$preset: building"
  # Building is timed apart; scripts/test.sh finds it done.
  if ! { [[ $preset != tsan ]] || "$root/scripts/tsan_tbb.sh"; } || ! build "$preset" $(targets_of "$preset"); then
    summary+=("$preset: FAILED to build after $(duration $((SECONDS - start)))")
    return 1
  fi
  built=$SECONDS
  "$root/scripts/test.sh" "$preset" "$@" || result=FAILED
  summary+=("$preset: $result, built in $(duration $((built - start))), tested in $(duration $((SECONDS - built)))")
  [[ $result == OK ]]
}

"$root/scripts/setup.sh" || exit 1
summary=()
code=0
for preset in "${parts[@]}"; do
  slow=()
  [[ $preset != tsan ]] || slow=(--label-exclude slow)
  part "$preset" ${slow[@]+"${slow[@]}"} "$@" || code=1
done
for line in "${summary[@]}"; do say "$line"; done
exit "$code"
