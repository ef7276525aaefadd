#pragma once

// What the operators that make images larger and smaller have in common.

#include <array>
#include <optional>
#include <tuple>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/indexing/indices_internal.h>
#include <backflow/ops/kernels/resampling/resample.h>

namespace backflow::detail {

using kernels::Filter;

using Scale = std::optional<double>;
/// The options of a resampling of N dimensions: a scale for each.
template <int N>
using Scales = decltype(std::tuple_cat(std::array<Scale, N>()));
/// The same behind align_corners.
template <int N>
using Aligned = decltype(std::tuple_cat(std::tuple<bool>(), std::array<Scale, N>()));

/// The axes of a resampling from the last sizes of `input` to `output`, for kernels::resample.
template <class Options>
std::array<kernels::Axis, 3> axes_of(IntArrayRef input, IntArrayRef output, const Options& options) {
  constexpr std::size_t kScales = std::tuple_size_v<Options>;
  constexpr bool kAligns = std::is_same_v<std::tuple_element_t<0, Options>, bool>;
  constexpr std::size_t kDims = kAligns ? kScales - 1 : kScales;
  std::array<kernels::Axis, 3> axes = {{{1, 1}, {1, 1}, {1, 1}}};
  [&]<std::size_t... kD>(std::index_sequence<kD...>) {
    ((axes[3 - kDims + kD] = {input[2 + kD], output[kD], kAligns && bool(std::get<0>(options)),
                              std::get<kScales - kDims + kD>(options)}),
     ...);
  }
  (std::make_index_sequence<kDims>());
  return axes;
}

/// Throws Error unless sizes [batch, channels, ...] may be resampled to `output`.
inline void check_resampled_sizes(const char* where, IntArrayRef input, IntArrayRef output, std::size_t dims) {
  check(input.size() == dims + 2 && output.size() == dims, where, ": input of shape ", input, " to ", output,
        ": need [batch, channels] and ", dims, dims == 1 ? " dimension" : " dimensions");
  constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;  // the kernels count elements in 32 bits
  for (std::size_t d = 2; d < input.size(); ++d) {
    check(input[d] > 0 && input[d] <= kMost, where, ": input of shape ", input, ": need 1 to ", kMost,
          " elements in dimension ", d);
    check(output[d - 2] > 0 && output[d - 2] <= kMost, where, ": to ", output, ": need sizes in [1, ", kMost, "]");
  }
}

/// Runs the kernel on a row-major tensor; bfloat16 as float32.
inline Tensor resampled(const Tensor& x, IntArrayRef sizes, Filter filter, const std::array<kernels::Axis, 3>& axes,
                        bool transposed) {
  if (x.scalar_type() == kBFloat16) {
    return to(resampled(to(x.detach(), kFloat32), sizes, filter, axes, transposed), kBFloat16);
  }
  Tensor y = empty_tensor(sizes, x.scalar_type());
  if (y.numel() > 0) {
    kernels::resample(y, x.is_contiguous() ? x : row_major_copy(x), filter, axes, transposed);
  }
  return y;
}

/// y = x resampled; `Gradient` is the operator of its backward.
template <class Op, class Gradient, Filter kFilter, class Options>
struct Resampling;
template <class Op, class Gradient, Filter kFilter, class... Option>
struct Resampling<Op, Gradient, kFilter, std::tuple<Option...>> {
  DimVector output;
  DimVector input;
  std::tuple<Option...> options;

  static Tensor forward(const Tensor& x, IntArrayRef output, const Option&... option) {
    check(x.is_floating_point(), Op::info.name, ": input ", describe(x), ": need floating-point numbers");
    constexpr std::size_t kScales = (std::size_t{std::is_same_v<Option, Scale>} + ...);
    check_resampled_sizes(Op::info.name, x.sizes(), output, kScales);
    DimVector sizes(IntArrayRef(x.sizes().data(), 2));
    for (const std::int64_t size : output) {
      sizes.push_back(size);
    }
    return resampled(x, sizes, kFilter, axes_of(x.sizes(), output, std::tuple(option...)), false);
  }
  void save(Needs, const Tensor& x, IntArrayRef output_, const Option&... option, const Tensor&) {
    output = output_;
    input = x.sizes();
    options = {option...};
  }
  void backward(Backward& b) const {
    std::apply(
        [&](const Option&... option) {
          b.dx(0) = record<Gradient>(b.dy(), IntArrayRef(output), IntArrayRef(input), option...);
        },
        options);
  }
};

/// dx from dy; `Forward` is the operator whose backward it is, and its own backward.
template <class Op, class Forward, Filter kFilter, class Options>
struct ResamplingGradient;
template <class Op, class Forward, Filter kFilter, class... Option>
struct ResamplingGradient<Op, Forward, kFilter, std::tuple<Option...>> {
  DimVector output;
  std::tuple<Option...> options;

  static Tensor forward(const Tensor& dy, IntArrayRef output, IntArrayRef input, const Option&... option) {
    check(dy.is_floating_point(), Op::info.name, ": gradient ", describe(dy), ": need floating-point numbers");
    constexpr std::size_t kScales = (std::size_t{std::is_same_v<Option, Scale>} + ...);
    check_resampled_sizes(Op::info.name, input, output, kScales);
    DimVector sizes(IntArrayRef(input.data(), 2));
    for (const std::int64_t size : output) {
      sizes.push_back(size);
    }
    check(dy.sizes() == IntArrayRef(sizes), Op::info.name, ": gradient ", describe(dy), ": need shape ", sizes);
    return resampled(dy, input, kFilter, axes_of(input, output, std::tuple(option...)), true);
  }
  void save(Needs, const Tensor&, IntArrayRef output_, IntArrayRef, const Option&... option, const Tensor&) {
    output = output_;
    options = {option...};
  }
  void backward(Backward& b) const {
    std::apply([&](const Option&... option) { b.dx(0) = record<Forward>(b.dy(), IntArrayRef(output), option...); },
               options);
  }
};

}  // namespace backflow::detail
