#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/samples.h>

// References of operators that go along dimensions: plain functions of the numbers of one line.
namespace backflow::test {

using Line = std::vector<double>;

/// f of the elements that differ in the dimensions `dims` alone, which may be negative, or in all of them when there
/// are none; in row-major order. These dimensions are left out of the result or have size 1 there.
Array reduce_lines(const Array& x, const std::vector<std::int64_t>& dims, bool keepdim,
                   const std::function<double(const Line&)>& f);

/// f of each line along dimension `dim`, which may change its length.
Array map_lines(const Array& x, std::int64_t dim, const std::function<Line(const Line&)>& f);
Array map_lines(const Array& x, const Array& w, std::int64_t dim,
                const std::function<Line(const Line&, const Line&)>& f);

/// A row of the table; `torch` is the call in Python.
inline Sample with_gradient(std::string op, std::string label, std::vector<Operand> operands,
                            std::function<Tensor(const Tensors&)> call, std::function<Array(const Arrays&)> reference,
                            std::string torch) {
  Sample s;
  s.op = std::move(op);
  s.label = std::move(label);
  s.operands = std::move(operands);
  s.call = std::move(call);
  s.reference = std::move(reference);
  s.torch = std::move(torch);
  return s;
}
/// The same of an operator whose result has no gradient.
inline Sample without_gradient(std::string op, std::string label, std::vector<Operand> operands,
                               std::function<Tensor(const Tensors&)> call,
                               std::function<Array(const Arrays&)> reference, std::string torch) {
  Sample s = with_gradient(std::move(op), std::move(label), std::move(operands), std::move(call), std::move(reference),
                           std::move(torch));
  s.differentiable = false;
  return s;
}

}  // namespace backflow::test
