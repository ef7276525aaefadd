#pragma once

// Tensors of random numbers that depend on nothing but their stream.

#include <cstdint>

#include <backflow/ops/creation/creation.h>
#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/tensor/tensor.h>

namespace bench {

/// Uniform in [-bound, bound), from a stream of its own.
inline backflow::Tensor uniform(backflow::IntArrayRef sizes, double bound, std::uint64_t stream) {
  backflow::Tensor x = backflow::empty(sizes);
  backflow::PhiloxStream random(1, stream);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data_ptr<float>()[i] = static_cast<float>(bound * (2 * random.uniform() - 1));
  }
  return x;
}

/// Numbers in [0, bound).
inline backflow::Tensor classes(std::int64_t rows, std::uint64_t bound, std::uint64_t stream) {
  backflow::Tensor t = backflow::empty({rows}, backflow::kInt64);
  backflow::PhiloxStream random(1, stream);
  for (std::int64_t i = 0; i < rows; ++i) {
    t.data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(random.below(bound));
  }
  return t;
}

}  // namespace bench
