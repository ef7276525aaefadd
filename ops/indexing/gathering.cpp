// Elements that indices along a dimension choose.
#include <algorithm>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/indexing/indices_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// Throws Error unless `index` may choose along dimension d of `x`.
void check_index(const char* where, const Tensor& x, std::size_t d, const Tensor& index) {
  check(index.scalar_type() == kInt64, where, ": index ", describe(index), ": need dtype i64");
  const IntArrayRef sizes = x.sizes();
  const IntArrayRef chosen = index.sizes();
  check(std::max<std::size_t>(sizes.size(), 1) == std::max<std::size_t>(chosen.size(), 1), where, ": index ",
        describe(index), ", tensor ", describe(x), ": need as many dimensions");
  for (std::size_t k = 0; index.numel() > 0 && k < std::min(sizes.size(), chosen.size()); ++k) {
    check(k == d || chosen[k] <= sizes[k], where, ": index ", describe(index), ", tensor ", describe(x),
          ": need an index no larger in dimension ", k);
  }
}

struct Gather {
  static constexpr OperatorInfo info = {
      .signature = "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
      .formula = "y[i][j] = x[index[i][j]][j] for dim = 0;  dx = zeros with dy added at the indices",
      .doc =
          "Gathers elements along dimension dim by an int64 index with as many dimensions as x. The index is at most "
          "as large as x in the other dimensions, and the result has its shape. An Error for indices out of range. "
          "sparse_grad is ignored.",
      .dtypes = kAnyDtype,
      .node = "GatherBackward0",
  };
  SavedTensor index;
  DimVector sizes;
  std::int64_t dim_;
  static Tensor forward(const Tensor& x, std::int64_t dim, const Tensor& index, bool) {
    const std::size_t d = wrap_dim("gather", dim, x.sizes().size());
    check_index("gather", x, d, index);
    Tensor y = empty_tensor_like(index, x.scalar_type());
    if (index.numel() > 0) {
      const Tensor chosen = at_least_1d(index);
      kernels::gather(at_least_1d(y), kernels::lines_of("gather", at_least_1d(x), d, chosen.sizes()), chosen);
    }
    return y;
  }
  void save(Needs, const Tensor& x, std::int64_t dim, const Tensor& index_, bool, const Tensor&) {
    index.save(index_);
    sizes = x.sizes();
    dim_ = dim;
  }
  void backward(Backward& b) const {
    b.dx(0) = zeros(sizes, b.dy().scalar_type()).scatter_add_(dim_, b(index), b.dy());
  }
};

struct TakeAlongDim {
  static constexpr OperatorInfo info = {
      .signature = "take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor",
      .formula = "y[i][j] = x[indices[i][j]][j] for dim = 0",
      .doc =
          "gather, but x and the indices broadcast in the other dimensions. Without a dimension, both are flattened "
          "first.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Tensor& indices, std::optional<std::int64_t> dim) {
    if (!dim) {
      return gather(reshape(x, -1), 0, reshape(indices, -1));
    }
    check(x.dim() == indices.dim(), "take_along_dim: tensor ", describe(x), ", indices ", describe(indices),
          ": need as many dimensions");
    const std::size_t d = wrap_dim("take_along_dim", *dim, x.sizes().size());
    DimVector x_sizes(x.sizes());
    DimVector index_sizes(indices.sizes());
    if (x.dim() > 0) {
      x_sizes[d] = 1;
      index_sizes[d] = 1;
    }
    DimVector common = broadcast_shapes("take_along_dim", x_sizes, index_sizes);
    x_sizes = common;
    if (x.dim() > 0) {
      x_sizes[d] = x.sizes()[d];
      common[d] = indices.sizes()[d];
    }
    return gather(expand(x, x_sizes), *dim, expand(indices, common));
  }
};

struct Take {
  static constexpr OperatorInfo info = {
      .signature = "take(Tensor self, Tensor index) -> Tensor",
      .formula = "y[i] = x.flatten()[index[i]]",
      .doc = "Gathers elements of the flattened x by an int64 index of any shape; negative ones count from the end.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Tensor& index) {
    check(index.scalar_type() == kInt64, "take: index ", describe(index), ": need dtype i64");
    const Tensor list[] = {index};
    return backflow::index(reshape(x, -1), TensorList(list, 1));
  }
};

struct IndexSelect {
  static constexpr OperatorInfo info = {
      .signature = "index_select(Tensor self, int dim, Tensor index) -> Tensor",
      .formula = "y[i] = x[index[i]] along a dimension;  dx = zeros with dy[i] added to dx[index[i]]",
      .doc =
          "Slices of x along dimension dim, in the order of the index: int64 or int32, with one dimension, or none for "
          "one slice. An Error for indices out of range.",
      .dtypes = kAnyDtype,
      .node = "IndexSelectBackward0",
  };
  SavedTensor index;
  DimVector sizes;
  std::int64_t dim_;
  static Tensor forward(const Tensor& x, std::int64_t dim, const Tensor& index) {
    const std::size_t d = wrap_dim("index_select", dim, x.sizes().size());
    check(x.dim() > 0 || index.numel() == 1, "index_select: index ", describe(index), ", tensor ", describe(x),
          ": need one index for a number");
    DimVector sizes(x.sizes());
    if (x.dim() > 0) {
      sizes[d] = index.numel();
    }
    Tensor y = empty_tensor(sizes, x.scalar_type());
    const Tensor to = at_least_1d(y);
    const Tensor chosen = spread_index("index_select", index, d, to.sizes());
    if (y.numel() > 0) {
      kernels::gather(to, kernels::lines_of("index_select", at_least_1d(x), d, to.sizes()), chosen);
    }
    return y;
  }
  void save(Needs, const Tensor& x, std::int64_t dim, const Tensor& index_, const Tensor&) {
    index.save(index_);
    sizes = x.sizes();
    dim_ = dim;
  }
  void backward(Backward& b) const { b.dx(0) = zeros(sizes, b.dy().scalar_type()).index_add_(dim_, b(index), b.dy()); }
};

}  // namespace

#include <backflow/ops/gathering_functions.inc>

OperatorFamily gathering_operators() { return family<Gather, TakeAlongDim, Take, IndexSelect>("gathering"); }

}  // namespace backflow
