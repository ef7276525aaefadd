// Views of some of the elements: one index, a slice, a diagonal.
#include <algorithm>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/views/view_cost_internal.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

/// Copies the gradient of a view to where the view shows that of its operand.
void copy_gradient(const char* where, const Tensor& view, const Tensor& dy) {
  check(view.sizes() == dy.sizes(), where, ": gradient ", describe(dy), ", view ", describe(view),
        ": need equal sizes");
  kernels::copy(view, dy);
}

struct Select : detail::CostOfPart {
  static constexpr OperatorInfo info = {
      .signature = "select(Tensor self, int dim, int index) -> Tensor",
      .formula = "y = x[index] along a dimension;  dx = zeros with dy at the index",
      .doc = "A view with one dimension less. Negative indices count from the end. An Error for an index out of range.",
      .dtypes = kAnyDtype,
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
      .signature = "select_backward(Tensor grad, int[] input_sizes, int dim, int index) -> Tensor",
      .formula = "dx = zeros of input_sizes with dy at the index;  its own gradient is g[index]",
      .doc = "The gradient of select.",
      .dtypes = kAnyDtype,
      .node = "SelectBackwardBackward0",
  };
  std::int64_t dim_;
  std::int64_t index_;
  static Tensor forward(const Tensor& dy, IntArrayRef input_sizes, std::int64_t dim, std::int64_t index) {
    Tensor dx = zeros(input_sizes, dy.scalar_type());
    copy_gradient(info.name, Select::forward(dx, dim, index), dy);
    return dx;
  }
  void save(Needs, const Tensor&, IntArrayRef, std::int64_t dim, std::int64_t index, const Tensor&) {
    dim_ = dim;
    index_ = index;
  }
  void backward(Backward& b) const { b.dx(0) = select(b.dy(), dim_, index_); }
};

struct Slice : detail::CostOfPart {
  static constexpr OperatorInfo info = {
      .signature = "slice(Tensor self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
      .formula = "y = x[start:end:step] along a dimension;  dx = zeros with dy in the slice",
      .doc =
          "A view of every step-th index from start up to end, end excluded; of all by default. As in Python, negative "
          "ones count from the end, and bounds outside of the tensor are clamped. The step is at least 1.",
      .dtypes = kAnyDtype,
      .node = "SliceBackward0",
  };
  DimVector sizes;
  std::int64_t dim_;
  std::optional<std::int64_t> start_;
  std::optional<std::int64_t> end_;
  std::int64_t step_;
  static Tensor forward(const Tensor& x, std::int64_t dim, std::optional<std::int64_t> start,
                        std::optional<std::int64_t> end, std::int64_t step) {
    check(x.dim() > 0, "slice: ", describe(x), " has no dimension to slice: need at least one");
    check(step > 0, "slice: step ", step, ": need one of 1 or more");
    const std::size_t d = wrap_dim("slice", dim, x.sizes().size());
    const std::int64_t size = x.sizes()[d];
    const auto clamped = [size](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
    const std::int64_t first = clamped(start.value_or(0));
    const std::int64_t length = std::max<std::int64_t>(clamped(end.value_or(size)) - first, 0);
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    const std::int64_t offset = x.storage_offset() + (length == 0 ? 0 : first * strides[d]);
    sizes[d] = length / step + (length % step != 0 ? 1 : 0);
    strides[d] = sizes[d] > 1 ? strides[d] * step : strides[d];
    return view_of(x, sizes, strides, offset);
  }
  void save(Needs, const Tensor& x, std::int64_t dim, std::optional<std::int64_t> start,
            std::optional<std::int64_t> end, std::int64_t step, const Tensor&) {
    sizes = x.sizes();
    dim_ = dim;
    start_ = start;
    end_ = end;
    step_ = step;
  }
  void backward(Backward& b) const { b.dx(0) = slice_backward(b.dy(), sizes, dim_, start_, end_, step_); }
};

struct SliceGradient {
  static constexpr OperatorInfo info = {
      .signature = "slice_backward(Tensor grad, int[] input_sizes, int dim, int? start, int? end, int step) -> Tensor",
      .formula = "dx = zeros of input_sizes with dy in the slice;  its own gradient is g[start:end:step]",
      .doc = "The gradient of slice.",
      .dtypes = kAnyDtype,
      .node = "SliceBackwardBackward0",
  };
  std::int64_t dim_;
  std::optional<std::int64_t> start_;
  std::optional<std::int64_t> end_;
  std::int64_t step_;
  static Tensor forward(const Tensor& dy, IntArrayRef input_sizes, std::int64_t dim, std::optional<std::int64_t> start,
                        std::optional<std::int64_t> end, std::int64_t step) {
    Tensor dx = zeros(input_sizes, dy.scalar_type());
    copy_gradient(info.name, Slice::forward(dx, dim, start, end, step), dy);
    return dx;
  }
  void save(Needs, const Tensor&, IntArrayRef, std::int64_t dim, std::optional<std::int64_t> start,
            std::optional<std::int64_t> end, std::int64_t step, const Tensor&) {
    dim_ = dim;
    start_ = start;
    end_ = end;
    step_ = step;
  }
  void backward(Backward& b) const { b.dx(0) = slice(b.dy(), dim_, start_, end_, step_); }
};

struct Narrow {
  static constexpr OperatorInfo info = {
      .signature = "narrow(Tensor self, int dim, int start, int length) -> Tensor",
      .formula = "y = x[start:start+length] along a dimension",
      .doc = "A slice, but an Error where it would exceed the tensor. A negative start counts from the end.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t length) {
    check(x.dim() > 0, "narrow: ", describe(x), " has no dimension to narrow: need at least one");
    const std::size_t d = wrap_dim("narrow", dim, x.sizes().size());
    const std::int64_t size = x.sizes()[d];
    check(start >= -size && start <= size, "narrow: start ", start, " in dimension ", d, " of ", describe(x),
          ": need one in [", -size, ", ", size, "]");
    const std::int64_t first = start < 0 ? start + size : start;
    check(length >= 0 && length <= size - first, "narrow: length ", length, " from ", first, " in dimension ", d,
          " of ", describe(x), ": need one in [0, ", size - first, "]");
    return slice(x, dim, first, first + length, 1);
  }
};

struct Diagonal : detail::CostOfPart {
  static constexpr OperatorInfo info = {
      .signature = "diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
      .formula = "y[..., i] = x[i, i + offset] along two dimensions;  dx = zeros with dy on the diagonal",
      .doc =
          "A view of a diagonal: the two dimensions are replaced by a last one of the diagonal's length. Positive "
          "offsets are above the main diagonal, negative ones below it; a diagonal outside of the tensor is empty.",
      .dtypes = kAnyDtype,
      .node = "DiagonalBackward0",
  };
  DimVector sizes;
  std::int64_t offset_;
  std::int64_t dim1_;
  std::int64_t dim2_;
  static Tensor forward(const Tensor& x, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
    check(x.dim() >= 2, "diagonal: ", describe(x), ": need at least 2 dimensions");
    const std::size_t a = wrap_dim("diagonal", dim1, x.sizes().size());
    const std::size_t b = wrap_dim("diagonal", dim2, x.sizes().size());
    check(a != b, "diagonal: dimensions ", dim1, " and ", dim2, " of ", describe(x), " are the same: need two");
    const std::int64_t below = offset < 0 ? -offset : 0;
    const std::int64_t above = offset > 0 ? offset : 0;
    const std::int64_t length = std::max<std::int64_t>(std::min(x.sizes()[a] - below, x.sizes()[b] - above), 0);
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    const std::int64_t first = length == 0 ? 0 : below * strides[a] + above * strides[b];
    const std::int64_t stride = strides[a] + strides[b];
    for (const std::size_t d : {std::max(a, b), std::min(a, b)}) {
      sizes.erase(d);
      strides.erase(d);
    }
    sizes.push_back(length);
    strides.push_back(stride);
    return view_of(x, sizes, strides, x.storage_offset() + first);
  }
  void save(Needs, const Tensor& x, std::int64_t offset, std::int64_t dim1, std::int64_t dim2, const Tensor&) {
    sizes = x.sizes();
    offset_ = offset;
    dim1_ = dim1;
    dim2_ = dim2;
  }
  void backward(Backward& b) const { b.dx(0) = diagonal_backward(b.dy(), sizes, offset_, dim1_, dim2_); }
};

struct DiagonalGradient {
  static constexpr OperatorInfo info = {
      .signature = "diagonal_backward(Tensor grad, int[] input_sizes, int offset, int dim1, int dim2) -> Tensor",
      .formula = "dx = zeros of input_sizes with dy on the diagonal;  its own gradient is the diagonal of g",
      .doc = "The gradient of diagonal.",
      .dtypes = kAnyDtype,
      .node = "DiagonalBackwardBackward0",
  };
  std::int64_t offset_;
  std::int64_t dim1_;
  std::int64_t dim2_;
  static Tensor forward(const Tensor& dy, IntArrayRef input_sizes, std::int64_t offset, std::int64_t dim1,
                        std::int64_t dim2) {
    Tensor dx = zeros(input_sizes, dy.scalar_type());
    copy_gradient(info.name, Diagonal::forward(dx, offset, dim1, dim2), dy);
    return dx;
  }
  void save(Needs, const Tensor&, IntArrayRef, std::int64_t offset, std::int64_t dim1, std::int64_t dim2,
            const Tensor&) {
    offset_ = offset;
    dim1_ = dim1;
    dim2_ = dim2;
  }
  void backward(Backward& b) const { b.dx(0) = diagonal(b.dy(), offset_, dim1_, dim2_); }
};

}  // namespace

#include <backflow/ops/slicing_functions.inc>

OperatorFamily slicing_operators() {
  return family<Select, SelectGradient, Slice, SliceGradient, Narrow, Diagonal, DiagonalGradient>("slicing");
}

}  // namespace backflow
