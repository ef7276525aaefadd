// The same elements under other sizes, or repeated.
#include <algorithm>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/views/view_cost_internal.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

/// The sizes that `reshape` was asked for, with -1 replaced by what is left.
DimVector infer_sizes(const char* where, const Tensor& x, IntArrayRef asked) {
  DimVector sizes(asked);
  std::int64_t known = 1;
  std::optional<std::size_t> inferred;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == -1 && !inferred) {
      inferred = d;
    } else {
      check(sizes[d] >= 0, where, ": size ", sizes[d], " in ", asked,
            ": need sizes of 0 or more, at most one of them -1");
      known *= sizes[d];
    }
  }
  const bool fits = inferred && known != 0 ? x.numel() % known == 0 : !inferred && known == x.numel();
  check(fits, where, ": ", describe(x), " to ", asked, ": need the same number of elements, ", x.numel());
  if (inferred) {
    sizes[*inferred] = x.numel() / known;
  }
  return sizes;
}

/// Strides under which the storage of `x` has these sizes, if there are any.
std::optional<DimVector> view_strides(const Tensor& x, IntArrayRef sizes) {
  if (x.is_contiguous()) {
    return contiguous_strides(sizes);
  }
  DimVector strides;
  strides.resize(sizes.size());
  // Each run of dimensions of x that is contiguous in itself has to be cut into whole new dimensions.
  std::size_t next = sizes.size();
  std::int64_t run = 1;
  std::int64_t base = 1;
  for (std::size_t d = x.sizes().size(); d-- > 0;) {
    if (run == 1) {
      base = x.strides()[d];
    }
    run *= x.sizes()[d];
    if (d > 0 && (x.sizes()[d - 1] == 1 || x.strides()[d - 1] == run * base)) {
      continue;
    }
    std::int64_t covered = 1;
    while (next > 0 && (covered < run || sizes[next - 1] == 1)) {
      --next;
      strides[next] = covered * base;
      covered *= sizes[next];
    }
    if (covered != run) {
      return std::nullopt;
    }
    run = 1;
  }
  return next == 0 ? std::optional(strides) : std::nullopt;
}

/// The gradient of a view with other sizes and the same elements.
struct ReshapesBack {
  DimVector sizes;
  void save(Needs, const Tensor& x, const auto&...) { sizes = x.sizes(); }
  void backward(Backward& b) const { b.dx(0) = reshape(b.dy(), sizes); }
};

struct Reshape : detail::CostOfView, ReshapesBack {
  static constexpr OperatorInfo info = {
      .signature = "reshape(Tensor self, int[] shape) -> Tensor",
      .formula = "y = x with other sizes;  dx = dy with the sizes of x",
      .doc =
          "The elements of x in row-major order with other sizes, of which one may be -1. A view where strides allow "
          "it, else a copy.",
      .dtypes = kAnyDtype,
      .node = "ReshapeAliasBackward0",
  };
  static Tensor forward(const Tensor& x, IntArrayRef shape) {
    const DimVector asked = infer_sizes("reshape", x, shape);
    if (const auto strides = view_strides(x, asked)) {
      return view_of(x, asked, *strides, x.storage_offset());
    }
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::copy(y, x);
    return view_of(y, asked, contiguous_strides(asked), 0);
  }
};

struct View : detail::CostOfView, ReshapesBack {
  static constexpr OperatorInfo info = {
      .signature = "view(Tensor self, int[] size) -> Tensor",
      .formula = "y = x with other sizes;  dx = dy with the sizes of x",
      .doc = "As reshape, but always a view: an Error where the strides of x do not allow it.",
      .dtypes = kAnyDtype,
      .node = "ViewBackward0",
  };
  static Tensor forward(const Tensor& x, IntArrayRef size) {
    const DimVector asked = infer_sizes("view", x, size);
    const auto strides = view_strides(x, asked);
    check(strides.has_value(), "view: ", describe(x), " with strides ", x.strides(), " to ", asked,
          ": need sizes that fit the strides; reshape() copies where they do not");
    return view_of(x, asked, *strides, x.storage_offset());
  }
};

struct Alias : detail::CostOfView {
  static constexpr OperatorInfo info = {
      .signature = "alias(Tensor self) -> Tensor",
      .formula = "y = x;  dx = dy",
      .doc = "Another view of all elements of x.",
      .dtypes = kAnyDtype,
      .node = "AliasBackward0",
  };
  static Tensor forward(const Tensor& x) { return view_of(x, x.sizes(), x.strides(), x.storage_offset()); }
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = b.dy(); }
};

struct ViewAs {
  static constexpr OperatorInfo info = {
      .signature = "view_as(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x with the sizes of w",
      .doc = "view(other.sizes()).",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) { return view(x, w.sizes()); }
};

struct Flatten {
  static constexpr OperatorInfo info = {
      .signature = "flatten(Tensor self, int start_dim=0, int end_dim=-1) -> Tensor",
      .formula = "y = x with dimensions start_dim to end_dim made one",
      .doc =
          "Both dimensions are included and may be negative. A scalar becomes one dimension. Returns x itself where "
          "there is nothing to flatten.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t start_dim, std::int64_t end_dim) {
    const std::size_t first = wrap_dim("flatten", start_dim, x.sizes().size());
    const std::size_t last = wrap_dim("flatten", end_dim, x.sizes().size());
    if (first == last && x.dim() > 0) {
      return x;
    }
    check(first <= last, "flatten: dimensions ", start_dim, " to ", end_dim, " of ", describe(x),
          ": need the first before the last");
    DimVector sizes;
    std::int64_t merged = 1;
    for (std::size_t d = 0; d < std::max<std::size_t>(x.sizes().size(), 1); ++d) {
      const std::int64_t size = x.dim() == 0 ? 1 : x.sizes()[d];
      if (d < first || d > last) {
        sizes.push_back(size);
      } else {
        merged *= size;
        if (d == last) {
          sizes.push_back(merged);
        }
      }
    }
    return reshape(x, sizes);
  }
};

struct Unflatten {
  static constexpr OperatorInfo info = {
      .signature = "unflatten(Tensor self, int dim, int[] sizes) -> Tensor",
      .formula = "y = x with dimension dim made several",
      .doc = "A view; the inverse of flatten. One of the sizes may be -1.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t dim, IntArrayRef sizes) {
    check(x.dim() > 0, "unflatten: ", describe(x), " has no dimension to unflatten: need at least one");
    const std::size_t d = wrap_dim("unflatten", dim, x.sizes().size());
    check(!sizes.empty(), "unflatten: no sizes for dimension ", d, " of ", describe(x), ": need at least one");
    const Tensor line = view_of(x, x.sizes()[d], x.strides()[d], x.storage_offset());
    const DimVector inner = infer_sizes("unflatten", line, sizes);
    DimVector result(x.sizes());
    result.erase(d);
    for (std::size_t k = 0; k < inner.size(); ++k) {
      result.insert(d + k, inner[k]);
    }
    return view(x, result);
  }
};

struct Squeeze : detail::CostOfView, ReshapesBack {
  static constexpr OperatorInfo info = {
      .signature = "squeeze(Tensor self) -> Tensor",
      .formula = "y = x without its dimensions of size 1;  dx = dy with the sizes of x",
      .doc = "A view.",
      .dtypes = kAnyDtype,
      .node = "SqueezeBackward0",
  };
  static Tensor forward(const Tensor& x) {
    DimVector sizes;
    DimVector strides;
    for (std::size_t d = 0; d < x.sizes().size(); ++d) {
      if (x.sizes()[d] != 1) {
        sizes.push_back(x.sizes()[d]);
        strides.push_back(x.strides()[d]);
      }
    }
    return view_of(x, sizes, strides, x.storage_offset());
  }
};

struct SqueezeDim : detail::CostOfView, ReshapesBack {
  static constexpr OperatorInfo info = {
      .signature = "squeeze(Tensor self, int dim) -> Tensor",
      .formula = "y = x without a dimension;  dx = dy with the sizes of x",
      .doc = "A view. A dimension whose size is not 1 stays.",
      .dtypes = kAnyDtype,
      .node = "SqueezeBackward1",
  };
  static Tensor forward(const Tensor& x, std::int64_t dim) {
    const std::size_t d = wrap_dim("squeeze", dim, x.sizes().size());
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    if (x.dim() > 0 && sizes[d] == 1) {
      sizes.erase(d);
      strides.erase(d);
    }
    return view_of(x, sizes, strides, x.storage_offset());
  }
};

struct Unsqueeze : detail::CostOfView {
  static constexpr OperatorInfo info = {
      .signature = "unsqueeze(Tensor self, int dim) -> Tensor",
      .formula = "y = x with a new dimension of size 1;  dx = dy without it",
      .doc = "A view with the new dimension `dim`; a negative one counts from the end of the view's dimensions.",
      .dtypes = kAnyDtype,
      .node = "UnsqueezeBackward0",
  };
  std::int64_t dim_;
  static Tensor forward(const Tensor& x, std::int64_t dim) {
    const std::size_t d = wrap_dim("unsqueeze", dim, x.sizes().size() + 1);
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    const std::int64_t stride = d < sizes.size() ? sizes[d] * strides[d] : 1;
    sizes.insert(d, 1);
    strides.insert(d, stride);
    return view_of(x, sizes, strides, x.storage_offset());
  }
  void save(Needs, const Tensor&, std::int64_t dim, const Tensor&) { dim_ = dim; }
  void backward(Backward& b) const { b.dx(0) = squeeze(b.dy(), dim_); }
};

struct Expand {
  static constexpr OperatorInfo info = {
      .signature = "expand(Tensor self, int[] size) -> Tensor",
      .formula = "y = x repeated along dimensions of size 1;  dx = dy summed over them",
      .doc = "A view with stride 0, without copies. -1 keeps a size; new dimensions go in front.",
      .dtypes = kAnyDtype,
      .node = "ExpandBackward0",
  };
  DimVector sizes;
  static Tensor forward(const Tensor& x, IntArrayRef size) {
    check(size.size() >= x.sizes().size(), "expand: ", describe(x), " to ", size,
          ": need at least as many dimensions as the tensor has");
    DimVector sizes(size);
    DimVector strides(size.size(), 0);
    const std::size_t added = size.size() - x.sizes().size();
    for (std::size_t d = 0; d < size.size(); ++d) {
      const std::int64_t old = d < added ? 1 : x.sizes()[d - added];
      sizes[d] = size[d] == -1 && d >= added ? old : size[d];
      check(sizes[d] >= 0 && (old == 1 || old == sizes[d]), "expand: ", describe(x), " to ", size,
            ": need equal sizes where the tensor's is not 1");
      strides[d] = old == 1 ? 0 : x.strides()[d - added];
    }
    return view_of(x, sizes, strides, x.storage_offset());
  }
  void save(Needs, const Tensor& x, IntArrayRef, const Tensor&) { sizes = x.sizes(); }
  void backward(Backward& b) const { b.dx(0) = sum_to_size(b.dy(), sizes); }
};

struct ExpandAs {
  static constexpr OperatorInfo info = {
      .signature = "expand_as(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x repeated to the sizes of w",
      .doc = "expand(other.sizes()).",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) { return expand(x, w.sizes()); }
};

struct BroadcastTo {
  static constexpr OperatorInfo info = {
      .signature = "broadcast_to(Tensor self, int[] size) -> Tensor",
      .formula = "y = x repeated along dimensions of size 1",
      .doc = "expand(size).",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, IntArrayRef size) { return expand(x, size); }
};

}  // namespace

#include <backflow/ops/views_functions.inc>

OperatorFamily views_operators() {
  return family<Reshape, View, Alias, ViewAs, Flatten, Unflatten, Squeeze, SqueezeDim, Unsqueeze, Expand, ExpandAs,
                BroadcastTo>("views");
}

}  // namespace backflow
