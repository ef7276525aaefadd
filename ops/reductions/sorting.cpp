// Order along a dimension.
#include <backflow/ops/kernels/reductions/sort.h>
#include <backflow/ops/reductions/reduction_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Order;

Order order_of(bool descending) { return descending ? Order::Descending : Order::Ascending; }

std::tuple<Tensor, Tensor> sort_along(const char* where, const Tensor& x, std::int64_t dim, Order order) {
  const std::size_t d = wrap_dim(where, dim, x.sizes().size());
  Tensor values = empty_tensor(x.sizes(), x.scalar_type());
  Tensor indices = empty_tensor(x.sizes(), kInt64);
  kernels::sort(order, values, indices, x, d, true);
  return {values, indices};
}

struct SortState {
  SavedTensor indices;
  DimVector sizes;
  std::int64_t dim_;
  void backward(Backward& b) const {
    b.dx(0) = value_selecting_reduction_backward(b.dy(), dim_, b(indices), sizes, true);
  }

 protected:
  void save_all(const Tensor& x, std::int64_t dim, const std::tuple<Tensor, Tensor>& y) {
    indices.save(std::get<1>(y));
    sizes = x.sizes();
    dim_ = dim;
  }
};

struct Sort : SortState {
  static constexpr OperatorInfo info = {
      .signature = "sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor, Tensor)",
      .formula = "y = x in order along dim;  dx = dy in the old places",
      .doc = "The values and their indices in x. Stable; NaN counts as the largest.",
      .dtypes = kAnyDtype,
      .node = "SortBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, std::int64_t dim, bool descending) {
    return sort_along("sort", x, dim, order_of(descending));
  }
  void save(Needs, const Tensor& x, std::int64_t dim, bool, const std::tuple<Tensor, Tensor>& y) {
    save_all(x, dim, y);
  }
};

struct SortStable : SortState {
  static constexpr OperatorInfo info = {
      .signature = "sort(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor, Tensor)",
      .formula = "y = x in order along dim, equal ones in their old order;  dx = dy in the old places",
      .doc = "As sort, which is always stable.",
      .dtypes = kAnyDtype,
      .node = "SortBackward1",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, std::optional<bool>, std::int64_t dim, bool descending) {
    return sort_along("sort", x, dim, order_of(descending));
  }
  void save(Needs, const Tensor& x, std::optional<bool>, std::int64_t dim, bool, const std::tuple<Tensor, Tensor>& y) {
    save_all(x, dim, y);
  }
};

struct Argsort {
  static constexpr OperatorInfo info = {
      .signature = "argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor",
      .formula = "y = the indices of x in order along dim",
      .doc = "int64. Stable; NaN counts as the largest.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t dim, bool descending) {
    return std::get<1>(sort_along("argsort", x, dim, order_of(descending)));
  }
};

struct ArgsortStable {
  static constexpr OperatorInfo info = {
      .signature = "argsort(Tensor self, *, bool stable, int dim, bool descending=False) -> Tensor",
      .formula = "y = the indices of x in order along dim, those of equal ones in their old order",
      .doc = "As argsort, which is always stable. dim has no default, so that argsort(1) is not ambiguous.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, bool, std::int64_t dim, bool descending) {
    return std::get<1>(sort_along("argsort", x, dim, order_of(descending)));
  }
};

struct Topk : SortState {
  static constexpr OperatorInfo info = {
      .signature = "topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor, Tensor)",
      .formula = "y = the k largest x along dim;  dx = dy in the old places, else 0",
      .doc =
          "The values and their indices in x, in order if sorted; of equal ones the first. NaN counts as the largest. "
          "An Error for a k that is negative or larger than the dimension.",
      .dtypes = kAnyDtype,
      .node = "TopkBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, std::int64_t k, std::int64_t dim, bool largest,
                                            bool sorted) {
    const std::size_t d = wrap_dim("topk", dim, x.sizes().size());
    const std::int64_t n = x.dim() == 0 ? 1 : x.sizes()[d];
    check(k >= 0 && k <= n, "topk: ", k, " of ", describe(x), " along dimension ", d, ": need one in [0, ", n, "]");
    DimVector sizes(x.sizes());
    if (!sizes.empty()) {
      sizes[d] = k;
    }
    Tensor values = empty_tensor(sizes, x.scalar_type());
    Tensor indices = empty_tensor(sizes, kInt64);
    kernels::sort(order_of(largest), values, indices, x, d, sorted);
    return {values, indices};
  }
  void save(Needs, const Tensor& x, std::int64_t, std::int64_t dim, bool, bool, const std::tuple<Tensor, Tensor>& y) {
    save_all(x, dim, y);
  }
};

}  // namespace

#include <backflow/ops/sorting_functions.inc>

OperatorFamily sorting_operators() { return family<Sort, SortStable, Argsort, ArgsortStable, Topk>("sorting"); }

}  // namespace backflow
