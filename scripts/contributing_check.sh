#!/usr/bin/env bash
# scripts/contributing_check.sh
#
# Does what docs/internals/add_operator.md says: adds the operator of that page to a copy of the tree, builds test_ops there
# and runs the operator's tests; then breaks its gradient, which must fail. The copy stays in build/contributing_check. The
# first run builds all operators, 20 minutes on 2 cores; later ones build what has changed. ctest has it as
# docs_add_operator_build; CI leaves it out and runs a short form, docs_add_operator, which only compiles the new code.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if (($#)); then
  show_help
  exit 0
fi
"$root/scripts/setup.sh"
CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(jobs)} \
  nice python3 "$root/tests/docs/add_operator.py" build "$root" "$root/build/contributing_check"
