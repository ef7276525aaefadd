#pragma once

// Rows of one operator each on large tensors, against PyTorch and against plain memory bandwidth. bench/peers has the
// same rows in torch_operators.py, with the same operands, bit by bit.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <backflow/bench/harness.h>
#include <backflow/bench/triad.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/threads/threads.h>

namespace bench {

using backflow::Tensor;
using Tensors = std::vector<Tensor>;

/// A row: what is timed is `call`, which allocates its results, and freeing them.
struct Operator {
  const char* name;
  Tensors (*operands)();
  Tensors (*call)(const Tensors& x);
  std::int64_t moved_bytes = 0;  ///< read and written, for rows that are compared with bench::Triad
};

/// Element i of the operands that follow is made from this number in [0, 65536); every 65536 of them all differ.
inline std::int64_t scrambled(std::int64_t i, std::int64_t stream) { return (i * 40503 + stream * 12345) % 65536; }

/// A tensor whose element i is f(scrambled(i, stream)).
template <class T, class F>
Tensor make_operand(backflow::IntArrayRef sizes, std::int64_t stream, F f) {
  Tensor x = backflow::empty(sizes, backflow::dtype_of<T>);
  T* data = x.data_ptr<T>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    data[i] = f(scrambled(i, stream));
  }
  return x;
}

/// In [-1, 1).
inline Tensor numbers(backflow::IntArrayRef sizes, std::int64_t stream) {
  return make_operand<float>(sizes, stream, [](std::int64_t k) { return static_cast<float>(k) / 32768 - 1; });
}

/// In [0, 1): of those no sum cancels.
inline Tensor positive(backflow::IntArrayRef sizes, std::int64_t stream) {
  return make_operand<float>(sizes, stream, [](std::int64_t k) { return static_cast<float>(k) / 65536; });
}

/// Indices in [0, bound), with no pattern along any dimension.
inline Tensor indices(backflow::IntArrayRef sizes, std::int64_t bound, std::int64_t stream) {
  Tensor x = backflow::empty(sizes, backflow::kInt64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data_ptr<std::int64_t>()[i] = scrambled(i + i / 1024 * 37, stream) % bound;
  }
  return x;
}

/// True for about half of the elements.
inline Tensor mask(backflow::IntArrayRef sizes, std::int64_t stream) {
  return make_operand<bool>(sizes, stream, [](std::int64_t k) { return k >= 32768; });
}

/// What the sides compare: of each result two sums that do not cancel, one of them aware of positions, and eight
/// elements.
inline std::vector<double> digest(const Tensors& results) {
  std::vector<double> values;
  for (const Tensor& result : results) {
    const Tensor y = result.to(backflow::kFloat64).contiguous();
    const auto* data = y.data_ptr<double>();
    const std::int64_t n = y.numel();
    double mean = 0;
    double weighted = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      mean += std::abs(data[i]);
      weighted += std::abs(data[i]) * static_cast<double>(1 + i % 7);
    }
    values.insert(values.end(), {mean / static_cast<double>(n), weighted / static_cast<double>(n)});
    for (std::int64_t k = 0; k < 8; ++k) {
      values.push_back(data[k * (n - 1) / 7]);
    }
  }
  return values;
}

inline Workload operator_workload(const Operator& row, int threads) {
  const auto x = std::make_shared<Tensors>(row.operands());
  Workload workload;
  workload.step = [=] {
    const backflow::NoGradGuard guard;
    row.call(*x);
    return Times{};
  };
  workload.check = [=] {
    const backflow::NoGradGuard guard;
    return digest(row.call(*x));
  };
  if (row.moved_bytes > 0) {
    workload.reference = [triad = std::make_shared<Triad>(row.moved_bytes, threads)] { triad->run(); };
  }
  return workload;
}

}  // namespace bench
