#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// N tensors walked together element by element: their common shape with the dimensions that can be walked as one
/// merged, and the strides of each. Operands that are smaller broadcast: their stride is 0.
template <std::size_t N>
struct StridedLoop {
  DimVector sizes;
  std::array<DimVector, N> strides;

  StridedLoop(IntArrayRef shape, const std::array<const Tensor*, N>& operands) {
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] == 1) {
        continue;
      }
      std::array<std::int64_t, N> step;
      for (std::size_t k = 0; k < N; ++k) {
        step[k] = stride_at(*operands[k], d, shape.size());
      }
      if (!sizes.empty() && merges(shape[d], step)) {
        sizes.back() *= shape[d];
        for (std::size_t k = 0; k < N; ++k) {
          strides[k].back() = step[k];
        }
      } else {
        sizes.push_back(shape[d]);
        for (std::size_t k = 0; k < N; ++k) {
          strides[k].push_back(step[k]);
        }
      }
    }
    if (sizes.empty()) {
      sizes.push_back(1);
      for (DimVector& s : strides) {
        s.push_back(1);
      }
    }
  }

  std::int64_t inner_size() const { return sizes.back(); }
  std::int64_t inner_stride(std::size_t k) const { return strides[k].back(); }

  /// The offset of element number `linear` of operand k.
  std::int64_t offset(std::size_t k, std::int64_t linear) const {
    std::int64_t result = 0;
    for (std::size_t d = sizes.size(); d-- > 0;) {
      result += linear % sizes[d] * strides[k][d];
      linear /= sizes[d];
    }
    return result;
  }

 private:
  static std::int64_t stride_at(const Tensor& x, std::size_t d, std::size_t rank) {
    const std::size_t missing = rank - x.sizes().size();
    return d < missing || x.sizes()[d - missing] == 1 ? 0 : x.strides()[d - missing];
  }

  bool merges(std::int64_t size, const std::array<std::int64_t, N>& step) const {
    for (std::size_t k = 0; k < N; ++k) {
      if (strides[k].back() != step[k] * size) {
        return false;
      }
    }
    return true;
  }
};

/// Elements in a chunk of an element-wise loop: small enough to stay in the L2 cache, large enough to be worth a task.
inline constexpr std::int64_t kElementwiseChunk = 32 * 1024;

inline std::int64_t chunks_of(std::int64_t n, std::int64_t chunk) { return (n + chunk - 1) / chunk; }

}  // namespace backflow::kernels
