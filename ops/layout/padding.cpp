// Tensors with borders.
#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/kernels/layout/border.h>
#include <backflow/ops/operator.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

/// Throws Error unless `pad` has two numbers for each of some last dimensions of `x`.
void check_padding(const char* where, const Tensor& x, IntArrayRef pad) {
  check(pad.size() % 2 == 0 && pad.size() <= 2 * x.sizes().size(), where, ": padding ", pad, " of ", describe(x),
        ": need two numbers for each of the last dimensions, the last one's first");
}

struct ConstantPadNd {
  static constexpr OperatorInfo info = {
      .signature = "constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor",
      .formula =
          "y = x with pad[0] times c before and pad[1] times after it along the last dimension, pad[2] and pad[3] "
          "along the last but one, ...;  dx = dy without the borders",
      .doc = "Pads with a constant, which is converted to the dtype of x. Negative paddings cut elements off.",
      .dtypes = kAnyDtype,
      .node = "ConstantPadNdBackward0",
  };
  std::vector<std::int64_t> cut;
  static Tensor forward(const Tensor& x, IntArrayRef pad, const Scalar& value) {
    check_padding("constant_pad_nd", x, pad);
    check_number(info.name, value, x.scalar_type());
    DimVector sizes(x.sizes());
    DimVector shared(x.sizes());
    std::int64_t from = x.storage_offset();
    DimVector first(x.sizes().size(), 0);
    for (std::size_t i = 0; i < pad.size() / 2; ++i) {
      const std::size_t d = sizes.size() - 1 - i;
      const std::int64_t before = pad[2 * i];
      const std::int64_t after = pad[2 * i + 1];
      sizes[d] += before + after;
      check(sizes[d] >= 0, "constant_pad_nd: padding ", pad, " of ", describe(x), ": need a size of 0 or more, not ",
            sizes[d], " in dimension ", d);
      shared[d] =
          std::max<std::int64_t>(0, shared[d] + std::min<std::int64_t>(before, 0) + std::min<std::int64_t>(after, 0));
      from += std::max<std::int64_t>(-before, 0) * x.strides()[d];
      first[d] = std::max<std::int64_t>(before, 0);
    }
    Tensor y = empty_tensor(sizes, x.scalar_type());
    if (y.numel() != numel_of(shared)) {
      kernels::fill(y, value);
    }
    if (numel_of(shared) > 0) {
      std::int64_t to = 0;
      for (std::size_t d = 0; d < first.size(); ++d) {
        to += first[d] * y.strides()[d];
      }
      kernels::copy(view_of(y, shared, y.strides(), to), view_of(x, shared, x.strides(), from));
    }
    return y;
  }
  void save(Needs, const Tensor&, IntArrayRef pad, const Scalar&, const Tensor&) {
    for (const std::int64_t n : pad) {
      cut.push_back(-n);
    }
  }
  void backward(Backward& b) const { b.dx(0) = constant_pad_nd(b.dy(), cut); }
};

constexpr std::int64_t kMost = std::int64_t{1} << 40;  // elements along a dimension

enum class Border { Reflect, Replicate, Circular };

Border border_of(std::string_view mode) {
  check(mode == "reflect" || mode == "replicate" || mode == "circular", "pad: mode '", mode,
        "': need constant, reflect, replicate or circular");
  return mode == "reflect" ? Border::Reflect : mode == "replicate" ? Border::Replicate : Border::Circular;
}

/// Which element of a dimension stands in each place of the padded one.
kernels::BorderMap border_map(IntArrayRef sizes, std::size_t d, std::int64_t before, std::int64_t after,
                              Border border) {
  const std::int64_t size = sizes[d];
  const std::int64_t most = border == Border::Reflect ? size - 1 : size;
  const bool fits = border == Border::Replicate ? size > 0 : before <= most && after <= most;
  check(fits && size + before + after > 0, "pad: ", before, " before and ", after, " after dimension ", d, " of shape ",
        sizes, ": need at most ", border == Border::Replicate ? 0 : most, " of each and a size of 1 or more");
  kernels::BorderMap map;
  map.size = size;
  map.source.reserve(static_cast<std::size_t>(size + before + after));
  for (std::int64_t i = -before; i < size + after; ++i) {
    map.source.push_back(border == Border::Replicate  ? std::clamp<std::int64_t>(i, 0, size - 1)
                         : border == Border::Circular ? (i + size) % size
                         : i < 0                      ? -i
                         : i < size                   ? i
                                                      : 2 * (size - 1) - i);
  }
  map.first = std::max<std::int64_t>(0, before);
  map.from = std::max<std::int64_t>(0, -before);
  map.count = std::max<std::int64_t>(0, size - map.from - std::max<std::int64_t>(0, -after));
  if (map.count == 0) {
    map.first = map.from = 0;
  }
  return map;
}

kernels::BorderMap no_border(std::int64_t size) {
  kernels::BorderMap map;
  map.size = map.count = size;
  map.source.resize(static_cast<std::size_t>(size));
  std::iota(map.source.begin(), map.source.end(), 0);
  return map;
}

/// The maps of the last three dimensions of a tensor of these sizes, of which missing ones have size 1.
std::array<kernels::BorderMap, 3> border_maps(IntArrayRef sizes, IntArrayRef pad, Border border) {
  std::array<kernels::BorderMap, 3> maps;
  for (std::size_t i = 0; i < 3; ++i) {
    const bool is_padded = i < pad.size() / 2 && (pad[2 * i] != 0 || pad[2 * i + 1] != 0);
    const std::size_t d = sizes.size() - 1 - i;
    maps[2 - i] = is_padded          ? border_map(sizes, d, pad[2 * i], pad[2 * i + 1], border)
                  : i < sizes.size() ? no_border(sizes[d])
                                     : no_border(1);
  }
  return maps;
}

/// The sizes with the border; throws Error unless up to three dimensions of a tensor of at most 2^40 are padded.
DimVector bordered(const char* where, IntArrayRef sizes, IntArrayRef pad) {
  check(pad.size() % 2 == 0 && pad.size() <= 6 && pad.size() <= 2 * sizes.size(), where, ": padding ", pad,
        " of shape ", sizes, ": need two numbers for each of one to three last dimensions");
  DimVector result(sizes);
  for (std::size_t i = 0; i < pad.size(); ++i) {
    const std::size_t d = result.size() - 1 - i / 2;
    check(pad[i] > -kMost && pad[i] < kMost && sizes[d] < kMost, where, ": padding ", pad, " of shape ", sizes,
          ": need sizes below ", kMost);
    result[d] += pad[i];
  }
  return result;
}

struct PadBorder {
  static constexpr OperatorInfo info = {
      .signature = "pad_border(Tensor input, int[] pad, str mode) -> Tensor",
      .formula = "y = pad(x, pad, mode);  dx = the sums of dy where the elements of x stand",
      .doc =
          "The implementation of pad() for the modes reflect, replicate and circular, of the last one to three "
          "dimensions.",
      .dtypes = kAnyDtype,
      .node = "PadBorderBackward0",
  };
  DimVector sizes;
  DimVector pad_;
  std::string mode_;
  static Tensor forward(const Tensor& x, IntArrayRef pad, std::string_view mode) {
    const Border border = border_of(mode);
    Tensor y = empty_tensor(bordered("pad_border", x.sizes(), pad), x.scalar_type());
    const auto maps = border_maps(x.sizes(), pad, border);
    if (y.numel() > 0) {
      kernels::add_border(y, x.is_contiguous() ? x : contiguous(x.detach()), maps);
    }
    return y;
  }
  void save(Needs, const Tensor& x, IntArrayRef pad, std::string_view mode, const Tensor&) {
    sizes = x.sizes();
    pad_ = pad;
    mode_ = mode;
  }
  void backward(Backward& b) const { b.dx(0) = pad_border_backward(b.dy(), sizes, pad_, mode_); }
};

struct PadBorderBackward {
  static constexpr OperatorInfo info = {
      .signature = "pad_border_backward(Tensor grad_output, int[] input_sizes, int[] pad, str mode) -> Tensor",
      .formula = "dx = the sums of dy where the elements of x stand;  its own gradient is pad_border(g)",
      .doc = "The gradient of pad_border; linear in the first operand, with sums in a fixed order.",
      .dtypes = kFloatingDtypes,
      .node = "PadBorderBackwardBackward0",
  };
  DimVector pad_;
  std::string mode_;
  static Tensor forward(const Tensor& dy, IntArrayRef sizes, IntArrayRef pad, std::string_view mode) {
    if (dy.scalar_type() == kBFloat16) {
      return to(forward(to(dy.detach(), kFloat32), sizes, pad, mode), kBFloat16);
    }
    check(dy.is_floating_point(), "pad_border_backward: gradient ", describe(dy), ": need floating-point numbers");
    const Border border = border_of(mode);
    const DimVector padded = bordered("pad_border_backward", sizes, pad);
    const auto maps = border_maps(sizes, pad, border);
    check(dy.sizes() == IntArrayRef(padded), "pad_border_backward: gradient ", describe(dy), ": need shape ", padded);
    Tensor dx = empty_tensor(sizes, dy.scalar_type());
    if (dx.numel() > 0) {
      kernels::fold_border(dx, dy.is_contiguous() ? dy : contiguous(dy.detach()), maps);
    }
    return dx;
  }
  void save(Needs, const Tensor&, IntArrayRef, IntArrayRef pad, std::string_view mode, const Tensor&) {
    pad_ = pad;
    mode_ = mode;
  }
  void backward(Backward& b) const { b.dx(0) = pad_border(b.dy(), pad_, mode_); }
};

struct Pad {
  static constexpr OperatorInfo info = {
      .signature = "pad(Tensor input, int[] pad, str mode='constant', float? value=None) -> Tensor",
      .formula =
          "y = x with pad[0] elements before and pad[1] after it along the last dimension, pad[2] and pad[3] "
          "along the last but one, ...",
      .doc =
          "Modes: constant, with `value` or 0; reflect, x mirrored at its first and last element, which are not "
          "repeated; replicate, the first or last element; circular, x repeated.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, IntArrayRef pad, std::string_view mode, std::optional<double> value) {
    check_padding("pad", x, pad);
    if (mode == "constant") {
      return constant_pad_nd(x, pad, value.value_or(0));
    }
    check(!value || *value == 0, "pad: value ", value.value_or(0), " with mode '", mode, "': need mode 'constant'");
    border_of(mode);
    return pad.empty() ? clone(x) : pad_border(x, pad, mode);
  }
};

}  // namespace

#include <backflow/ops/padding_functions.inc>

OperatorFamily padding_operators() { return family<ConstantPadNd, PadBorder, PadBorderBackward, Pad>("padding"); }

}  // namespace backflow
