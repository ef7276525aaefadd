#!/usr/bin/env bash
# tests/compat/compile_mistakes.sh COMPILER [OPTION...]
#
# Wrong programs, each of which the compiler must refuse with a message that says what is needed, within a few lines.
set -uo pipefail

failed=0

# mistake TEXT CODE
mistake() {
  local output lines
  output=$(printf '%s\n' '#include <backflow/nn/modules/container.h>' '#include <backflow/nn/modules/linear.h>' \
    'namespace nn = backflow::nn;' "$2" | "${compiler[@]}" -std=c++20 -fsyntax-only -x c++ - 2>&1)
  if [[ $? -eq 0 ]]; then
    echo "FAILED: compiles: $2"
    failed=1
  fi
  lines=$(wc -l <<<"$output")
  if [[ $output != *"$1"* ]] || ((lines > 25)); then
    echo "FAILED: need at most 25 lines with '$1', found $lines for: $2"
    head -40 <<<"$output"
    failed=1
  fi
}

compiler=("$@")
mistake 'as nn::Linear l{nullptr}' 'void f() { nn::Linear l; }'
mistake 'as nn::Linear l{nullptr}' 'struct Net : nn::Module { nn::Linear l; }; void f() { Net n; }'
mistake 'no constructor of this module takes these arguments' 'void f() { nn::Linear l(784, 10, false); }'
mistake 'a module in a Sequential needs a public function' \
  'struct A : nn::Module {}; void f() { nn::Sequential s(nn::Linear(1, 1), A()); }'
((failed == 0)) && echo "compile-time mistakes: OK"
exit $failed
