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

/// What becomes of a normalization z.
template <class T>
struct NormResult {
  T* y;
  bool relu = false;            ///< y = z, or max(z + residual, 0), where NaN stays
  const T* residual = nullptr;  ///< only with relu; null: zeros

  NormResult at(std::size_t offset) const {
    return {y + offset, relu, residual == nullptr ? nullptr : residual + offset};
  }
};

/// The gradient dz of a normalization z.
template <class T>
struct NormGradient {
  const T* dy;
  const T* y = nullptr;  ///< what relu made of z: dz = dy where y > 0 or y is NaN, else 0; null: dz = dy
  T* dz = nullptr;       ///< where dz is written, which may be dy; only with y; null: nowhere

  NormGradient at(std::size_t offset) const {
    return {dy + offset, y == nullptr ? nullptr : y + offset, dz == nullptr ? nullptr : dz + offset};
  }
};

/// What y = (x - m) scale + shift is computed from, for channels in a row: m is the mean rounded to T, and the shift
/// has what it lacks.
template <class T>
struct NormCoefficients {
  T* m;
  T* scale;
  T* shift;
};

/// Parameters of channels in a row; null: ones for w, zeros for b.
template <class T>
struct NormParameters {
  const T* w;
  const T* b;
  double eps;
};

/// The loops of normalizations, for T = float or double. What is given and found of channels has `block` elements;
/// `scratch` has 3 block elements.
template <class T>
struct NormalizeLoops {
  /// The mean and the sum of squared deviations of each channel, in two passes; exact to the rounding of T for a few
  /// thousand numbers.
  void (*moments)(const T* x, const NormRun& run, double* mean, double* m2, T* scratch);
  /// The coefficients of n channels of which each has a mean and a variance of its own.
  void (*coefficients)(const double* mean, const double* variance, const NormParameters<T>& with, std::size_t n,
                       const NormCoefficients<T>& to);
  void (*coefficients_of_own)(const T* mean, const T* variance, const NormParameters<T>& with, std::size_t n,
                              const NormCoefficients<T>& to);
  /// The sums of dz and of dz (x - m) of each channel.
  void (*sums)(const NormGradient<T>& gradient, const T* x, const T* m, const NormRun& run, double* sum,
               double* product, T* scratch);
  /// z = (x - m) scale + shift
  void (*affine)(const T* x, const NormResult<T>& result, const T* m, const T* scale, const T* shift,
                 const NormRun& run);
  /// dx = dz a + (x - m) k + c
  void (*gradient)(const T* dz, const T* x, T* dx, const T* m, const T* a, const T* k, const T* c, const NormRun& run);
  /// dx = dz a; `zeros` has as many as a.
  void (*scaled)(const NormGradient<T>& gradient, T* dx, const T* a, const T* zeros, const NormRun& run);
};

/// The loops for the best instruction set of the machine that runs.
template <class T>
const NormalizeLoops<T>& normalize_loops();

}  // namespace backflow::kernels
