#pragma once

#include <cstddef>

namespace backflow::kernels {

/// Elements that one call of a loop goes through: of `samples` samples that are `stride` elements apart, `positions`
/// rows of `block` channels each, one after the other.
struct NormRun {
  std::size_t samples;
  std::size_t stride;
  std::size_t positions;
  std::size_t block;

  std::size_t count() const { return samples * positions; }
};

/// The loops of normalizations, for T = float or double. What is given and found of channels has `block` elements;
/// `scratch` has 3 block elements.
template <class T>
struct NormalizeLoops {
  /// The mean and the sum of squared deviations of each channel, in two passes; exact to the rounding of T for a few
  /// thousand numbers.
  void (*moments)(const T* x, const NormRun& run, double* mean, double* m2, T* scratch);
  /// The sums of dy and of dy (x - m) of each channel.
  void (*sums)(const T* dy, const T* x, const T* m, const NormRun& run, double* sum, double* product, T* scratch);
  /// y = (x - m) scale + shift
  void (*affine)(const T* x, T* y, const T* m, const T* scale, const T* shift, const NormRun& run);
  /// dx = dy a + (x - m) k + c
  void (*gradient)(const T* dy, const T* x, T* dx, const T* m, const T* a, const T* k, const T* c, const NormRun& run);
};

/// The loops for the best instruction set of the machine that runs.
template <class T>
const NormalizeLoops<T>& normalize_loops();

}  // namespace backflow::kernels
