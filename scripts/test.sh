#!/usr/bin/env bash
# scripts/test.sh [PRESET] [CTEST-OPTION...]
#
# Installs what is missing, builds PRESET (release, dev, asan, tsan, minimal; without one, release) and runs its tests.
# The exit code is ctest's. For one test: scripts/test.sh release -R test_ops
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset=release
case ${1:-} in
  --help | -h) show_help && exit 0 ;;
  "" | -*) ;;
  *) preset=$1 && shift ;;
esac

"$root/scripts/setup.sh"
if [[ $preset == tsan ]]; then
  "$root/scripts/tsan_tbb.sh"
fi
say "building $preset"
build "$preset"
say "testing $preset"
cd "$root"
code=0
nice ctest --preset "$preset" --parallel "$(nproc)" --output-on-failure "$@" || code=$?
if ((code == 0)); then
  say "tests: OK ($preset)"
else
  say "tests: FAILED ($preset); output in build/$preset/Testing/Temporary/LastTest.log"
fi
exit "$code"
