#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// Which features of a tensor are kept, and what becomes of the elements: `scale` x + `shift` of a feature that is
/// kept, `dropped` of another. Feature i is kept when its random word, which depends on seed, stream and i alone, is
/// at least p 2^32; p in [0, 1).
struct Dropping {
  double p;
  double scale;
  double shift;
  double dropped;
  std::uint64_t seed;
  std::uint64_t stream;
};

/// Feature i, of 64 in a group, has word k of Philox's block number b: i = 64 (b / 16) + 16 k + b % 16. So the lanes of
/// a vector of any width are neighbours.
inline constexpr std::int64_t kFeaturesOfGroup = 64;

/// y = x with some features dropped, each of `feature_size` >= 1 elements. Contiguous tensors of one shape and one
/// floating-point dtype; y may be x. The bits do not depend on the number of threads or the instruction set.
void drop(const Tensor& y, const Tensor& x, std::int64_t feature_size, const Dropping& rule);

}  // namespace backflow::kernels
