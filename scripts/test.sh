#!/usr/bin/env bash
# scripts/test.sh [PRESET] [CTEST-OPTION...]
#
# Installs what is missing, builds PRESET (release, dev, asan, tsan, minimal; without one, release) and runs its tests.
# Of release, and without options, it also runs scripts/compare_torch.py and scripts/compare_training.py where PyTorch is
# installed; with CI=true in the environment it installs it, and the Slurm that a test wants. Exit code 1 when something fails.
# For one test: scripts/test.sh release -R test_ops
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset=release
case ${1:-} in
  --help | -h) show_help && exit 0 ;;
  "" | -*) ;;
  *) preset=$1 && shift ;;
esac

cluster=()
[[ ${CI:-} != true ]] || cluster=(--cluster)
"$root/scripts/setup.sh" ${cluster[@]+"${cluster[@]}"}
if [[ $preset == tsan ]]; then
  "$root/scripts/tsan_tbb.sh"
fi
say "building $preset"
read -ra targets <<<"$(targets_of "$preset")"
build "$preset" ${targets[@]+"${targets[@]}"}
say "testing $preset"
cd "$root"
code=0
if (($#)); then
  nice ctest --preset "$preset" --parallel "$(nproc)" --output-on-failure "$@" || code=$?
else
  say "left out: docs_add_operator_build, which builds all operators anew; scripts/contributing_check.sh runs it"
  nice ctest --preset "$preset" --parallel "$(nproc)" --output-on-failure --label-exclude '^build$' || code=$?
fi

# Tests that cannot run here say why.
sed -n 's/^SKIPPED: /== skipped: /p' "build/$preset/Testing/Temporary/LastTest.log" || true

has_torch() { /usr/bin/python3 -c 'import torch' 2>/dev/null; }
if [[ $preset == release ]] && (($# == 0)); then
  if [[ ${CI:-} == true ]] && ! has_torch; then
    "$root/scripts/setup.sh" --torch || true
  fi
  if has_torch; then
    say "comparing with PyTorch"
    nice "$root/scripts/compare_torch.py" || code=1
    nice "$root/scripts/compare_training.py" || code=1
  else
    say "comparison with PyTorch: left out, it is not installed; scripts/setup.sh --torch installs it"
  fi
fi
if ((code == 0)); then
  say "tests: OK ($preset)"
else
  say "tests: FAILED ($preset); output in build/$preset/Testing/Temporary/LastTest.log"
fi
exit "$code"
