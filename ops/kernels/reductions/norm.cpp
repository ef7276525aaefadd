#include <backflow/ops/kernels/reductions/norm.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/layout/uneven.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time; the loops are
// plain ones that the compiler turns into vectors.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/reductions/norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

// Sums side by side, whatever the width of a vector: the bits do not depend on the instruction set.
constexpr std::size_t kLanes = 16;

template <class T>
double sum_of_squares(const T* x, std::size_t n) {
  double sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      const auto v = static_cast<double>(x[i + k]);
      sums[k] += v * v;
    }
  }
  for (std::size_t k = 0; i < n; ++i, ++k) {
    const auto v = static_cast<double>(x[i]);
    sums[k] += v * v;
  }
  double total = 0;
  for (const double sum : sums) {
    total += sum;
  }
  return total;
}

/// Of the bits without the sign, whose order is that of the magnitudes; NaN is above all.
template <class U, class T>
U largest_bits(const T* x, std::size_t n) {
  constexpr U kMagnitude = std::numeric_limits<U>::max() >> 1;
  U largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const U bits = std::bit_cast<U>(x[i]) & kMagnitude;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

double sum_of_squares_f32(const float* x, std::size_t n) { return sum_of_squares(x, n); }
double sum_of_squares_f64(const double* x, std::size_t n) { return sum_of_squares(x, n); }
float max_magnitude_f32(const float* x, std::size_t n) {
  return std::bit_cast<float>(largest_bits<std::uint32_t>(x, n));
}
double max_magnitude_f64(const double* x, std::size_t n) {
  return std::bit_cast<double>(largest_bits<std::uint64_t>(x, n));
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(sum_of_squares_f32);
HWY_EXPORT(sum_of_squares_f64);
HWY_EXPORT(max_magnitude_f32);
HWY_EXPORT(max_magnitude_f64);

namespace {

constexpr std::int64_t kPiece = 32 * 1024;  // elements whose sum is one number: follows from shapes, since it cuts sums

double squares(const float* x, std::size_t n) { return HWY_DYNAMIC_DISPATCH(sum_of_squares_f32)(x, n); }
double squares(const double* x, std::size_t n) { return HWY_DYNAMIC_DISPATCH(sum_of_squares_f64)(x, n); }
double largest(const float* x, std::size_t n) { return HWY_DYNAMIC_DISPATCH(max_magnitude_f32)(x, n); }
double largest(const double* x, std::size_t n) { return HWY_DYNAMIC_DISPATCH(max_magnitude_f64)(x, n); }

template <class T>
double powers(const T* x, std::size_t n, double p, double unit) {
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    total += std::pow(std::abs(static_cast<double>(x[i])) / unit, p);
  }
  return total;
}

/// f(data, n) of every piece of every tensor, in their order, of which an element takes about `nanoseconds`. Which of
/// them a thread takes is free.
template <class F>
std::vector<double> of_pieces(std::span<const Tensor> tensors, double nanoseconds, const F& f) {
  struct NormPiece {
    const Tensor* x;
    std::int64_t begin;
    std::int64_t n;
    std::int64_t before;  // elements of the pieces before
  };
  std::vector<NormPiece> pieces;
  std::int64_t total = 0;
  for (const Tensor& x : tensors) {
    for (std::int64_t begin = 0; begin < x.numel(); begin += kPiece) {
      const std::int64_t n = std::min(kPiece, x.numel() - begin);
      pieces.push_back({&x, begin, n, total});
      total += n;
    }
  }
  std::vector<double> results(pieces.size());
  const auto of_piece = [&](std::size_t i) {
    const NormPiece& piece = pieces[i];
    const Tensor& x = *piece.x;
    if (x.scalar_type() == kBFloat16) {
      const BFloat16* const from = x.const_data_ptr<BFloat16>() + piece.begin;
      const std::vector<float> wide(from, from + piece.n);
      results[i] = f(wide.data(), wide.size());
      return;
    }
    dispatch_floating(x.scalar_type(), "norm", [&](auto zero) {
      using T = decltype(zero);
      results[i] = f(x.const_data_ptr<T>() + piece.begin, static_cast<std::size_t>(piece.n));
    });
  };
  const auto count = static_cast<std::int64_t>(pieces.size());
  const auto work = [&](std::int64_t i) { return i == count ? total : pieces[static_cast<std::size_t>(i)].before; };
  detail::parallel_uneven(count, nanoseconds * static_cast<double>(total), work,
                          [&](std::int64_t begin, std::int64_t end) {
                            for (std::int64_t i = begin; i < end; ++i) {
                              of_piece(static_cast<std::size_t>(i));
                            }
                          });
  return results;
}

/// The sum of (|x| / unit)^p.
double sum_of_powers(std::span<const Tensor> tensors, double p, double unit) {
  const bool squared = p == 2 && unit == 1;
  const std::vector<double> sums = of_pieces(tensors, squared ? 0.1 : 20, [=](const auto* x, std::size_t n) {
    return squared ? squares(x, n) : powers(x, n, p, unit);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

double root(double sum, double p) { return p == 2 ? std::sqrt(sum) : std::pow(sum, 1 / p); }

}  // namespace

double vector_norm(std::span<const Tensor> tensors, double p) {
  if (std::isinf(p)) {
    return max_magnitude(tensors);
  }
  constexpr double kLeast = 0x1p-952;  // of sums to which powers that have lost digits contribute nothing
  const double sum = sum_of_powers(tensors, p, 1);
  if (sum >= kLeast && std::isfinite(sum)) {
    return root(sum, p);
  }
  const double largest = max_magnitude(tensors);
  return largest > 0 && std::isfinite(largest) ? largest * root(sum_of_powers(tensors, p, largest), p) : largest;
}

double max_magnitude(std::span<const Tensor> tensors) {
  double result = 0;
  for (const double x : of_pieces(tensors, 0.1, [](const auto*data, std::size_t n) { return largest(data, n); })) {
    result = std::isnan(result) || x <= result ? result : x;
  }
  return result;
}

bool all_finite(const Tensor& x) { return std::isfinite(max_magnitude({&x, 1})); }

}  // namespace backflow::kernels
#endif
