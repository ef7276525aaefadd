// Operators that move or copy elements without computing: views, copies, conversions.
#include <algorithm>

#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

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

struct Reshape {
  static constexpr OperatorInfo info = {
      .name = "reshape",
      .signature = "reshape(Tensor self, int[] shape) -> Tensor",
      .formula = "y = x with other sizes;  dx = dy with the sizes of x",
      .doc =
          "The elements of x in row-major order under other sizes, of which one may be -1. A view where strides allow "
          "it, else a copy.",
      .node = "ReshapeAliasBackward0",
  };
  DimVector sizes;
  static Tensor forward(const Tensor& x, IntArrayRef shape) {
    const DimVector asked = infer_sizes("reshape", x, shape);
    if (const auto strides = view_strides(x, asked)) {
      return view_of(x, asked, *strides, x.storage_offset());
    }
    Tensor y = empty_tensor(x.sizes(), x.scalar_type());
    kernels::copy(y, x);
    return view_of(y, asked, contiguous_strides(asked), 0);
  }
  void save(Needs, const Tensor& x, IntArrayRef, const Tensor&) { sizes = x.sizes(); }
  void backward(Backward& b) const { b.dx(0) = reshape(b.dy(), sizes); }
};

struct View {
  static constexpr OperatorInfo info = {
      .name = "view",
      .signature = "view(Tensor self, int[] size) -> Tensor",
      .formula = "y = x with other sizes;  dx = dy with the sizes of x",
      .doc = "As reshape, but always a view: an Error where the strides of x do not allow it.",
      .node = "ViewBackward0",
  };
  DimVector sizes;
  static Tensor forward(const Tensor& x, IntArrayRef size) {
    const DimVector asked = infer_sizes("view", x, size);
    const auto strides = view_strides(x, asked);
    check(strides.has_value(), "view: ", describe(x), " with strides ", x.strides(), " to ", asked,
          ": need sizes that fit the strides; reshape() copies where they do not");
    return view_of(x, asked, *strides, x.storage_offset());
  }
  void save(Needs, const Tensor& x, IntArrayRef, const Tensor&) { sizes = x.sizes(); }
  void backward(Backward& b) const { b.dx(0) = reshape(b.dy(), sizes); }
};

struct Flatten {
  static constexpr OperatorInfo info = {
      .name = "flatten",
      .signature = "flatten(Tensor self, int start_dim=0, int end_dim=-1) -> Tensor",
      .formula = "y = x with dimensions start_dim to end_dim made one",
      .doc = "Both dimensions are included and may be negative. A scalar gives one dimension.",
  };
  static Tensor forward(const Tensor& x, std::int64_t start_dim, std::int64_t end_dim) {
    const std::size_t first = wrap_dim("flatten", start_dim, x.sizes().size());
    const std::size_t last = wrap_dim("flatten", end_dim, x.sizes().size());
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

struct Transpose {
  static constexpr OperatorInfo info = {
      .name = "transpose",
      .signature = "transpose(Tensor self, int dim0, int dim1) -> Tensor",
      .formula = "y = x with two dimensions exchanged;  dx = dy with the same two exchanged",
      .doc = "A view.",
      .node = "TransposeBackward0",
  };
  std::int64_t first;
  std::int64_t second;
  static Tensor forward(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
    const std::size_t a = wrap_dim("transpose", dim0, x.sizes().size());
    const std::size_t b = wrap_dim("transpose", dim1, x.sizes().size());
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    if (x.dim() > 0) {
      std::swap(sizes[a], sizes[b]);
      std::swap(strides[a], strides[b]);
    }
    return view_of(x, sizes, strides, x.storage_offset());
  }
  void save(Needs, const Tensor&, std::int64_t dim0, std::int64_t dim1, const Tensor&) {
    first = dim0;
    second = dim1;
  }
  void backward(Backward& b) const { b.dx(0) = transpose(b.dy(), first, second); }
};

struct T {
  static constexpr OperatorInfo info = {
      .name = "t",
      .signature = "t(Tensor self) -> Tensor",
      .formula = "y = x^T;  dx = dy^T",
      .doc = "Transpose of a matrix, as a view; fewer dimensions are left as they are.",
      .node = "TBackward0",
  };
  static Tensor forward(const Tensor& x) {
    check(x.dim() <= 2, "t: ", describe(x), ": need at most 2 dimensions; transpose() takes more");
    return x.dim() < 2 ? view_of(x, x.sizes(), x.strides(), x.storage_offset()) : Transpose::forward(x, 0, 1);
  }
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = t(b.dy()); }
};

struct Select {
  static constexpr OperatorInfo info = {
      .name = "select",
      .signature = "select(Tensor self, int dim, int index) -> Tensor",
      .formula = "y = x[index] along a dimension;  dx = zeros with dy at the index",
      .doc = "A view with one dimension less. Negative indices count from the end; an Error outside the tensor.",
      .node = "SelectBackward0",
  };
  DimVector sizes;
  std::int64_t dim_;
  std::int64_t index_;
  static Tensor forward(const Tensor& x, std::int64_t dim, std::int64_t index) {
    check(x.dim() > 0, "select: ", describe(x), " has no dimension to index: need at least one");
    const std::size_t d = wrap_dim("select", dim, x.sizes().size());
    const std::int64_t size = x.sizes()[d];
    check(index >= -size && index < size, "select: index ", index, " in dimension ", d, " of ", describe(x),
          ": need one in [", -size, ", ", size - 1, "]");
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    const std::int64_t offset = x.storage_offset() + (index < 0 ? index + size : index) * strides[d];
    sizes.erase(d);
    strides.erase(d);
    return view_of(x, sizes, strides, offset);
  }
  void save(Needs, const Tensor& x, std::int64_t dim, std::int64_t index, const Tensor&) {
    sizes = x.sizes();
    dim_ = dim;
    index_ = index;
  }
  void backward(Backward& b) const { b.dx(0) = select_backward(b.dy(), sizes, dim_, index_); }
};

struct SelectGradient {
  static constexpr OperatorInfo info = {
      .name = "select_backward",
      .signature = "select_backward(Tensor grad, int[] input_sizes, int dim, int index) -> Tensor",
      .formula = "dx = zeros of input_sizes with dy at the index;  its own gradient is g[index]",
      .doc = "The gradient of select.",
      .node = "SelectBackwardBackward0",
  };
  std::int64_t dim_;
  std::int64_t index_;
  static Tensor forward(const Tensor& dy, IntArrayRef input_sizes, std::int64_t dim, std::int64_t index) {
    Tensor dx = empty_tensor(input_sizes, dy.scalar_type());
    kernels::fill(dx, 0);
    kernels::copy(Select::forward(dx, dim, index), dy);
    return dx;
  }
  void save(Needs, const Tensor&, IntArrayRef, std::int64_t dim, std::int64_t index, const Tensor&) {
    dim_ = dim;
    index_ = index;
  }
  void backward(Backward& b) const { b.dx(0) = select(b.dy(), dim_, index_); }
};

struct Expand {
  static constexpr OperatorInfo info = {
      .name = "expand",
      .signature = "expand(Tensor self, int[] size) -> Tensor",
      .formula = "y = x repeated along dimensions of size 1;  dx = dy summed over them",
      .doc = "A view with stride 0, without copies. -1 keeps a size; new dimensions go in front.",
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

struct Clone {
  static constexpr OperatorInfo info = {
      .name = "clone",
      .signature = "clone(Tensor self) -> Tensor",
      .formula = "y = x;  dx = dy",
      .doc = "A row-major copy with storage of its own.",
      .node = "CloneBackward0",
  };
  static Tensor forward(const Tensor& x) {
    Tensor y = empty_tensor(x.sizes(), x.scalar_type());
    kernels::copy(y, x);
    return y;
  }
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = b.dy(); }
};

struct Contiguous {
  static constexpr OperatorInfo info = {
      .name = "contiguous",
      .signature = "contiguous(Tensor self) -> Tensor",
      .formula = "y = x",
      .doc = "The tensor itself when it is row-major, else a clone.",
  };
  static Tensor forward(const Tensor& x) { return x.is_contiguous() ? x : clone(x); }
};

struct ToCopy {
  static constexpr OperatorInfo info = {
      .name = "to_copy",
      .signature = "to_copy(Tensor input, ScalarType dtype) -> Tensor",
      .formula = "y = x converted to a dtype;  dx = dy converted back",
      .doc = "Always a row-major copy. Fractions are cut towards zero for integers, as in C++.",
      .node = "ToCopyBackward0",
  };
  ScalarType x_dtype;
  static Tensor forward(const Tensor& x, ScalarType dtype) {
    Tensor y = empty_tensor(x.sizes(), dtype);
    kernels::copy(y, x);
    return y;
  }
  void save(Needs, const Tensor& x, ScalarType, const Tensor&) { x_dtype = x.scalar_type(); }
  void backward(Backward& b) const { b.dx(0) = to(b.dy(), x_dtype); }
};

struct ToDtype {
  static constexpr OperatorInfo info = {
      .name = "to",
      .signature = "to(Tensor self, ScalarType dtype) -> Tensor",
      .formula = "y = x converted to a dtype",
      .doc = "The tensor itself when it has that dtype already, else to_copy.",
  };
  static Tensor forward(const Tensor& x, ScalarType dtype) { return x.scalar_type() == dtype ? x : to_copy(x, dtype); }
};

struct Copy {
  static constexpr OperatorInfo info = {
      .name = "copy",
      .signature = "copy(Tensor input, Tensor src) -> Tensor",
      .formula = "y = w, with the sizes and dtype of x;  dw = dy summed to the sizes of w, dx = 0",
      .doc = "The values of src, broadcast and converted to the tensor's shape and dtype.",
      .node = "CopyBackwards",
      .inplace = "copy_(Tensor self, Tensor src) -> Tensor",
  };
  DimVector w_sizes;
  ScalarType w_dtype;
  static Tensor forward(const Tensor& x, const Tensor& w) {
    Tensor y = empty_tensor(x.sizes(), x.scalar_type());
    kernels::copy(y, Expand::forward(w, x.sizes()));
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor&, const Tensor& w) {
    if (y.impl().storage.get() == w.impl().storage.get()) {
      return false;  // the two may overlap
    }
    kernels::copy(y, Expand::forward(w, y.sizes()));
    return true;
  }
  void save(Needs, const Tensor&, const Tensor& w, const Tensor&) {
    w_sizes = w.sizes();
    w_dtype = w.scalar_type();
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = zeros_like(b.dy());
    }
    if (b.wants(1)) {
      b.dx(1) = to(sum_to_size(b.dy(), w_sizes), w_dtype);
    }
  }
};

struct ZerosLike {
  static constexpr OperatorInfo info = {
      .name = "zeros_like",
      .signature = "zeros_like(Tensor input) -> Tensor",
      .formula = "y = 0",
      .doc = "Zeros with the sizes and dtype of the operand; never recorded.",
  };
  static Tensor forward(const Tensor& x) {
    Tensor y = empty_tensor(x.sizes(), x.scalar_type());
    kernels::fill(y, 0);
    return y;
  }
};

struct Zero {
  static constexpr OperatorInfo info = {
      .name = "zero",
      .signature = "zero(Tensor input) -> Tensor",
      .formula = "y = 0;  dx = 0",
      .doc = "zeros_like as a recorded operator: what zero_ puts on the tape.",
      .node = "ZeroBackward0",
      .inplace = "zero_(Tensor self) -> Tensor",
  };
  static Tensor forward(const Tensor& x) { return ZerosLike::forward(x); }
  static bool forward_into(const Tensor& y, const Tensor&) {
    kernels::fill(y, 0);
    return true;
  }
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = zeros_like(b.dy()); }
};

struct FullLike {
  static constexpr OperatorInfo info = {
      .name = "full_like",
      .signature = "full_like(Tensor input, Scalar fill_value) -> Tensor",
      .formula = "y = c",
      .doc = "A tensor of one number with the sizes and dtype of the operand; never recorded.",
  };
  static Tensor forward(const Tensor& x, const Scalar& value) {
    Tensor y = empty_tensor(x.sizes(), x.scalar_type());
    kernels::fill(y, value);
    return y;
  }
};

struct Fill {
  static constexpr OperatorInfo info = {
      .name = "fill",
      .signature = "fill(Tensor input, Scalar value) -> Tensor",
      .formula = "y = c;  dx = 0",
      .doc = "full_like as a recorded operator: what fill_ puts on the tape.",
      .node = "FillBackward0",
      .inplace = "fill_(Tensor self, Scalar value) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& value) { return FullLike::forward(x, value); }
  static bool forward_into(const Tensor& y, const Tensor&, const Scalar& value) {
    kernels::fill(y, value);
    return true;
  }
  void save(Needs, const Tensor&, const Scalar&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = zeros_like(b.dy()); }
};

}  // namespace

#include <backflow/ops/shape_functions.inc>

OperatorFamily shape_operators() {
  return family<Reshape, View, Flatten, Transpose, T, Select, SelectGradient, Expand, Clone, Contiguous, ToCopy,
                ToDtype, Copy, ZerosLike, Zero, FullLike, Fill>("shape");
}

}  // namespace backflow
