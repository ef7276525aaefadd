// Tensors with borders.
#include <algorithm>
#include <vector>

#include <backflow/ops/creation.h>
#include <backflow/ops/elementwise_internal.h>
#include <backflow/ops/operator.h>

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
      .name = "constant_pad_nd",
      .signature = "constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor",
      .formula =
          "y = x with pad[0] times c before and pad[1] times after it along the last dimension, pad[2] and pad[3] "
          "along the last but one, ...;  dx = dy without the borders",
      .doc = "Negative numbers cut elements off. The number is converted to the dtype of x.",
      .dtypes = kAnyDtype,
      .node = "ConstantPadNdBackward0",
  };
  std::vector<std::int64_t> cut;
  static Tensor forward(const Tensor& x, IntArrayRef pad, const Scalar& value) {
    check_padding("constant_pad_nd", x, pad);
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

enum class Border { Reflect, Replicate, Circular };

Border border_of(std::string_view mode) {
  check(mode == "reflect" || mode == "replicate" || mode == "circular", "pad: mode '", mode,
        "': need constant, reflect, replicate or circular");
  return mode == "reflect" ? Border::Reflect : mode == "replicate" ? Border::Replicate : Border::Circular;
}

/// Which element of a dimension stands in each place of the padded one.
Tensor border_index(const Tensor& x, std::size_t d, std::int64_t before, std::int64_t after, Border border) {
  const std::int64_t size = x.sizes()[d];
  const std::int64_t most = border == Border::Reflect ? size - 1 : size;
  const bool fits = border == Border::Replicate ? size > 0 : before <= most && after <= most;
  check(fits && size + before + after > 0, "pad: ", before, " before and ", after, " after dimension ", d, " of ",
        describe(x), ": need at most ", border == Border::Replicate ? 0 : most, " of each and a size of 1 or more");
  Tensor index = empty_tensor(size + before + after, kInt64);
  std::int64_t* to = index.data_ptr<std::int64_t>();
  for (std::int64_t i = -before; i < size + after; ++i) {
    if (border == Border::Replicate) {
      *to++ = std::clamp<std::int64_t>(i, 0, size - 1);
    } else if (border == Border::Circular) {
      *to++ = (i + size) % size;
    } else {
      *to++ = i < 0 ? -i : i < size ? i : 2 * (size - 1) - i;
    }
  }
  return index;
}

struct Pad {
  static constexpr OperatorInfo info = {
      .name = "pad",
      .signature = "pad(Tensor input, int[] pad, str mode='constant', float? value=None) -> Tensor",
      .formula =
          "y = x with pad[0] elements before and pad[1] after it along the last dimension, pad[2] and pad[3] "
          "along the last but one, ...",
      .doc =
          "Modes: constant, as constant_pad_nd, with `value` or 0; reflect, x mirrored at its first and last element, "
          "which are not repeated; replicate, the first or last element; circular, x once more.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, IntArrayRef pad, std::string_view mode, std::optional<double> value) {
    check_padding("pad", x, pad);
    if (mode == "constant") {
      return constant_pad_nd(x, pad, value.value_or(0));
    }
    const Border border = border_of(mode);
    check(!value || *value == 0, "pad: value ", value.value_or(0), " with mode '", mode, "': need mode 'constant'");
    Tensor y = x;
    for (std::size_t i = 0; i < pad.size() / 2; ++i) {
      const std::size_t d = x.sizes().size() - 1 - i;
      if (pad[2 * i] != 0 || pad[2 * i + 1] != 0) {
        const Tensor index = border_index(x, d, pad[2 * i], pad[2 * i + 1], border);
        y = index_select(y, static_cast<std::int64_t>(d), index);
      }
    }
    return y.is_same(x) ? clone(x) : y;
  }
};

}  // namespace

#include <backflow/ops/padding_functions.inc>

OperatorFamily padding_operators() { return family<ConstantPadNd, Pad>("padding"); }

}  // namespace backflow
