// Maxima and minima, and their indices.
#include <backflow/ops/kernels/reductions/sort.h>
#include <backflow/ops/reductions/reduction_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// The largest or smallest over the marked dimensions, of which there must be some elements.
Tensor extreme_over(const char* where, Fold f, const Tensor& x, const DimVector& flags, KeepDim keep) {
  for (std::size_t d = 0; d < flags.size(); ++d) {
    check(flags[d] == 0 || x.sizes()[d] > 0, where, ": ", describe(x), " over dimension ", d,
          ": need one of size 1 or more");
  }
  return fold(f, Map::None, x, flags, keep, x.scalar_type());
}

/// Values and indices along one dimension; values are undefined when not wanted.
std::tuple<Tensor, Tensor> extreme_along(const char* where, Fold f, const Tensor& x, std::int64_t dim, KeepDim keep,
                                         bool with_values) {
  const std::size_t d = wrap_dim(where, dim, x.sizes().size());
  check(x.dim() == 0 || x.sizes()[d] > 0, where, ": ", describe(x), " over dimension ", d,
        ": need one of size 1 or more");
  const DimVector sizes = reduced_sizes(x, reduced_dims(where, x, dim), keep);
  Tensor values = with_values ? empty_tensor(sizes, x.scalar_type()) : Tensor();
  Tensor indices = empty_tensor(sizes, kInt64);
  kernels::extreme(f, values, indices, x, d);
  return {values, indices};
}

/// The index of the largest or smallest element, of all of them row by row unless `dim` names a dimension.
Tensor index_of(const char* where, Fold f, const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
  if (dim) {
    return std::get<1>(extreme_along(where, f, x, *dim, keep_if(keepdim), false));
  }
  check(x.numel() > 0, where, ": ", describe(x), " has no elements: need some, or a dimension");
  const Tensor line = view_of(dense(x, x.scalar_type()), {x.numel()}, {1}, x.is_contiguous() ? x.storage_offset() : 0);
  const Tensor index = std::get<1>(extreme_along(where, f, line, 0, KeepDim::No, false));
  const DimVector sizes = reduced_sizes(x, all_dims(x), keep_if(keepdim));
  return view_of(index, sizes, contiguous_strides(sizes), 0);
}

/// The gradient of the one result: equal parts for all elements that are equal to it, or NaN with it.
struct ExtremeState : ReducedGeometry {
  SavedTensor x;
  SavedTensor y;
  void save(Needs, const Tensor& x_, const Tensor& y_) {
    save_geometry(x_, all_dims(x_));
    x.save(x_);
    y.save_output(y_);
  }
  void backward(Backward& b) const {
    Tensor from = b(x).detach();
    Tensor result = b(y).detach();
    if (const auto value = result.item<double>(); value != value) {
      const Tensor is_nan = empty_tensor(from.sizes(), kBool);
      kernels::test(kernels::functions::IsNan{}, is_nan, from);
      from = converted(is_nan, dtype);
      result = empty_tensor({}, dtype);
      kernels::fill(result, 1);
    }
    b.dx(0) = b.dy() * shares_of_equals(from, restored(result), flags);
  }
};

struct Max : ExtremeState {
  static constexpr OperatorInfo info = {
      .signature = "max(Tensor self) -> Tensor",
      .formula = "y = the largest x;  dx = dy / k where x is one of the k largest, else 0",
      .doc = "A scalar, NaN if one is NaN. An Error for no elements.",
      .dtypes = kAnyDtype,
      .node = "MaxBackward1",
  };
  static Tensor forward(const Tensor& x) { return extreme_over("max", Fold::Max, x, all_dims(x), KeepDim::No); }
};

struct Min : ExtremeState {
  static constexpr OperatorInfo info = {
      .signature = "min(Tensor self) -> Tensor",
      .formula = "y = the smallest x;  dx = dy / k where x is one of the k smallest, else 0",
      .doc = "A scalar, NaN if one is NaN. An Error for no elements.",
      .dtypes = kAnyDtype,
      .node = "MinBackward1",
  };
  static Tensor forward(const Tensor& x) { return extreme_over("min", Fold::Min, x, all_dims(x), KeepDim::No); }
};

/// The gradient of values that were selected along a dimension.
struct SelectionState {
  SavedTensor indices;
  DimVector sizes;
  std::int64_t dim_;
  bool keepdim_;
  void save(Needs, const Tensor& x, std::int64_t dim, bool keepdim, const std::tuple<Tensor, Tensor>& y) {
    indices.save(std::get<1>(y));
    sizes = x.sizes();
    dim_ = dim;
    keepdim_ = keepdim;
  }
  void backward(Backward& b) const {
    b.dx(0) = value_selecting_reduction_backward(b.dy(), dim_, b(indices), sizes, keepdim_);
  }
};

struct MaxDim : SelectionState {
  static constexpr OperatorInfo info = {
      .signature = "max(Tensor self, int dim, bool keepdim=False) -> (Tensor, Tensor)",
      .formula = "y = the largest x along dim;  dx = dy at its index, else 0",
      .doc =
          "The values, and the index of the first such element, or of the first NaN. An Error for a dimension of size "
          "0.",
      .dtypes = kAnyDtype,
      .node = "MaxBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, std::int64_t dim, bool keepdim) {
    return extreme_along("max", Fold::Max, x, dim, keep_if(keepdim), true);
  }
};

struct MinDim : SelectionState {
  static constexpr OperatorInfo info = {
      .signature = "min(Tensor self, int dim, bool keepdim=False) -> (Tensor, Tensor)",
      .formula = "y = the smallest x along dim;  dx = dy at its index, else 0",
      .doc =
          "The values, and the index of the first such element, or of the first NaN. An Error for a dimension of size "
          "0.",
      .dtypes = kAnyDtype,
      .node = "MinBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, std::int64_t dim, bool keepdim) {
    return extreme_along("min", Fold::Min, x, dim, keep_if(keepdim), true);
  }
};

/// Equal parts for all elements that are equal to the result over the dimensions; NaN where that is NaN.
struct EqualShareState : ReducedGeometry {
  SavedTensor x;
  SavedTensor y;
  void backward(Backward& b) const {
    b.dx(0) = restored(b.dy()) * shares_of_equals(b(x), restored(b(y).detach()), flags);
  }

 protected:
  void save_all(const Tensor& x_, const DimVector& flags_, const Tensor& y_) {
    save_geometry(x_, flags_);
    x.save(x_);
    y.save_output(y_);
  }
};

struct Amax : EqualShareState {
  static constexpr OperatorInfo info = {
      .signature = "amax(Tensor self, int[] dim=[], bool keepdim=False) -> Tensor",
      .formula = "y = the largest x over dim;  dx = dy / k where x is one of the k largest, else 0",
      .doc = "An empty list means all dimensions. NaN if one is NaN. An Error for a dimension of size 0.",
      .dtypes = kAnyDtype,
      .node = "AmaxBackward0",
  };
  static Tensor forward(const Tensor& x, IntArrayRef dim, bool keepdim) {
    return extreme_over("amax", Fold::Max, x, reduced_dims("amax", x, dim), keep_if(keepdim));
  }
  void save(Needs, const Tensor& x_, IntArrayRef dim, bool, const Tensor& y_) {
    save_all(x_, reduced_dims("amax", x_, dim), y_);
  }
};

struct Amin : EqualShareState {
  static constexpr OperatorInfo info = {
      .signature = "amin(Tensor self, int[] dim=[], bool keepdim=False) -> Tensor",
      .formula = "y = the smallest x over dim;  dx = dy / k where x is one of the k smallest, else 0",
      .doc = "An empty list means all dimensions. NaN if one is NaN. An Error for a dimension of size 0.",
      .dtypes = kAnyDtype,
      .node = "AminBackward0",
  };
  static Tensor forward(const Tensor& x, IntArrayRef dim, bool keepdim) {
    return extreme_over("amin", Fold::Min, x, reduced_dims("amin", x, dim), keep_if(keepdim));
  }
  void save(Needs, const Tensor& x_, IntArrayRef dim, bool, const Tensor& y_) {
    save_all(x_, reduced_dims("amin", x_, dim), y_);
  }
};

struct Argmax {
  static constexpr OperatorInfo info = {
      .signature = "argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
      .formula = "y = the index of the largest x along dim",
      .doc = "The int64 index of the first such element, or of the first NaN; without dim its row-major index.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
    return index_of("argmax", Fold::Max, x, dim, keepdim);
  }
};

struct Argmin {
  static constexpr OperatorInfo info = {
      .signature = "argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
      .formula = "y = the index of the smallest x along dim",
      .doc = "The int64 index of the first such element, or of the first NaN; without dim its row-major index.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
    return index_of("argmin", Fold::Min, x, dim, keepdim);
  }
};

/// Indices or a gradient of a selection, with size 1 for the dimension where that is gone.
Tensor with_dim(const Tensor& x, std::size_t rank, std::int64_t dim, bool keepdim) {
  return keepdim || rank == 0 ? x : unsqueeze(x, dim);
}

/// Checks that `selected` can be a selection of a tensor of these sizes along `dim`.
std::size_t check_selection(const char* where, const Tensor& selected, IntArrayRef sizes, std::int64_t dim) {
  const std::size_t d = wrap_dim(where, dim, sizes.size());
  DimVector other(selected.sizes());
  if (other.size() == sizes.size() && !other.empty()) {
    other[d] = sizes[d];
  }
  check(sizes == IntArrayRef(other), where, ": selection ", describe(selected), " of shape ", sizes,
        ": need equal sizes except in dimension ", d);
  return d;
}

struct ValueSelectingReduction {
  static constexpr OperatorInfo info = {
      .signature = "value_selecting_reduction(Tensor input, int dim, Tensor indices, bool keepdim) -> Tensor",
      .formula = "y[k] = x[indices[k]] along dim;  dx = zeros to which dy[k] is added at indices[k]",
      .doc =
          "The values of max, min, sort and topk at known int64 indices. Without keepdim, indices and y lack the "
          "dimension. An Error for an index out of range.",
      .dtypes = kAnyDtype,
      .node = "ValueSelectingReductionBackward0",
  };
  SavedTensor indices;
  DimVector sizes;
  std::int64_t dim_;
  bool keepdim_;
  static Tensor forward(const Tensor& x, std::int64_t dim, const Tensor& indices, bool keepdim) {
    check(indices.scalar_type() == kInt64, "value_selecting_reduction: indices ", describe(indices), ": need int64");
    const Tensor index = with_dim(indices, x.sizes().size(), dim, keepdim);
    const std::size_t d = check_selection("value_selecting_reduction", index, x.sizes(), dim);
    Tensor y = empty_tensor(indices.sizes(), x.scalar_type());
    kernels::take("value_selecting_reduction", with_dim(y, x.sizes().size(), dim, keepdim), x, index, d);
    return y;
  }
  void save(Needs, const Tensor& x, std::int64_t dim, const Tensor& indices_, bool keepdim, const Tensor&) {
    indices.save(indices_);
    sizes = x.sizes();
    dim_ = dim;
    keepdim_ = keepdim;
  }
  void backward(Backward& b) const {
    b.dx(0) = value_selecting_reduction_backward(b.dy(), dim_, b(indices), sizes, keepdim_);
  }
};

struct ValueSelectingReductionGradient {
  static constexpr OperatorInfo info = {
      .signature =
          "value_selecting_reduction_backward(Tensor grad, int dim, Tensor indices, int[] sizes, bool keepdim) "
          "-> Tensor",
      .formula = "dx = zeros of these sizes to which dy[k] is added at indices[k];  its own gradient is g[indices[k]]",
      .doc = "The gradient of max, min, sort and topk along a dimension.",
      .dtypes = kAnyDtype,
      .node = "ValueSelectingReductionBackwardBackward0",
  };
  SavedTensor indices;
  std::int64_t dim_;
  bool keepdim_;
  static Tensor forward(const Tensor& dy, std::int64_t dim, const Tensor& indices, IntArrayRef sizes, bool keepdim) {
    constexpr const char* kWhere = "value_selecting_reduction_backward";
    check(dy.sizes() == indices.sizes() && indices.scalar_type() == kInt64, kWhere, ": gradient ", describe(dy),
          ", indices ", describe(indices), ": need one shape and int64 indices");
    const Tensor index = with_dim(indices, sizes.size(), dim, keepdim);
    const std::size_t d = check_selection(kWhere, index, sizes, dim);
    const ScalarType dtype = computed(dy.scalar_type());
    const Tensor dx = empty_tensor(sizes, dtype);
    kernels::fill(dx, 0);
    kernels::put(kWhere, dx, with_dim(converted(dy, dtype), sizes.size(), dim, keepdim), index, d);
    return converted(dx, dy.scalar_type());
  }
  void save(Needs, const Tensor&, std::int64_t dim, const Tensor& indices_, IntArrayRef, bool keepdim, const Tensor&) {
    indices.save(indices_);
    dim_ = dim;
    keepdim_ = keepdim;
  }
  void backward(Backward& b) const { b.dx(0) = value_selecting_reduction(b.dy(), dim_, b(indices), keepdim_); }
};

}  // namespace

#include <backflow/ops/extremes_functions.inc>

OperatorFamily extremes_operators() {
  return family<Max, Min, MaxDim, MinDim, Amax, Amin, Argmax, Argmin, ValueSelectingReduction,
                ValueSelectingReductionGradient>("extremes");
}

}  // namespace backflow
