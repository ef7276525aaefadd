// Elements that indices along a dimension choose, replaced or added to.
#include <algorithm>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/elementwise/numbers_internal.h>
#include <backflow/ops/indexing/indices_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Combine;

/// What scatter and scatter_add have in common: an index of as many dimensions, and for each index a number of `src`.
struct ScatterOperator {
  SavedTensor index;
  DimVector src_sizes;
  std::int64_t dim_;

  void save(Needs, const Tensor&, std::int64_t dim, const Tensor& index_, const Tensor& src, const Tensor&) {
    save_index(dim, index_);
    src_sizes = src.sizes();
  }
  void save(Needs, const Tensor&, std::int64_t dim, const Tensor& index_, const Scalar&, const Tensor&) {
    save_index(dim, index_);
  }

 protected:
  static void scatter_checked(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index,
                              const Tensor& src, Combine combine) {
    const std::size_t d = wrap_dim(where, dim, y.sizes().size());
    check(index.scalar_type() == kInt64, where, ": index ", describe(index), ": need dtype i64");
    check(src.scalar_type() == y.scalar_type(), where, ": src ", describe(src), ", tensor ", describe(y),
          ": need equal dtypes");
    if (index.numel() == 0) {
      return;
    }
    const Tensor chosen = at_least_1d(index);
    const Tensor to = at_least_1d(y);
    const Tensor from = at_least_1d(src);
    check(chosen.dim() == to.dim() && chosen.dim() == from.dim(), where, ": index ", describe(index), ", src ",
          describe(src), ", tensor ", describe(y), ": need as many dimensions");
    for (std::size_t k = 0; k < chosen.sizes().size(); ++k) {
      check((k == d || chosen.sizes()[k] <= to.sizes()[k]) && chosen.sizes()[k] <= from.sizes()[k], where, ": index ",
            describe(index), ", src ", describe(src), ", tensor ", describe(y),
            ": need an index no larger in dimension ", k);
    }
    scatter_into(where, to, d, chosen, from, combine);
  }
  void save_index(std::int64_t dim, const Tensor& index_) {
    dim_ = dim;
    index.save(index_);
  }
  /// What was read at each index; the numbers of src beyond the index have no part in y.
  Tensor src_gradient(const Tensor& dy, const Tensor& chosen) const {
    if (chosen.numel() == 0) {
      return zeros(src_sizes, dy.scalar_type());
    }
    const Tensor dw = gather(dy, dim_, chosen);
    std::vector<std::int64_t> beyond;
    for (std::size_t d = src_sizes.size(); d-- > 0 && dw.dim() > 0;) {
      beyond.insert(beyond.end(), {0, src_sizes[d] - dw.sizes()[d]});
    }
    return dw.sizes() == IntArrayRef(src_sizes) ? dw : reshape(constant_pad_nd(dw, beyond), src_sizes);
  }
  /// The number repeated to the shape of the index.
  static Tensor repeated(const char* where, const Tensor& index, const Scalar& value, ScalarType dtype) {
    const Tensor one = number_as(where, value, dtype);
    return view_of(one, index.sizes(), DimVector(index.sizes().size(), 0), 0);
  }
};

struct Scatter : ScatterOperator, WritesAtIndex<Scatter> {
  static constexpr OperatorInfo info = {
      .signature = "scatter(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
      .formula = "y = x with y[index[i][j]][j] = w[i][j] for dim = 0;  dx = dy with 0 there, dw = gather(dy)",
      .doc =
          "A copy of x with elements of src, of the dtype of x, at an int64 index along dimension dim. The index has "
          "as many dimensions as x. It is at most as large as x in the other dimensions, and as src in all. Of "
          "duplicate indices the last one is kept; as in PyTorch, dw is dy for each. An Error for indices out of "
          "range.",
      .dtypes = kAnyDtype,
      .node = "ScatterBackward0",
      .inplace = "scatter_(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
  };
  static void write(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index, const Tensor& src) {
    scatter_checked(where, y, dim, index, src, Combine::Replace);
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return scatter(b.dy(), dim_, b(index), 0); });
    b.set_dx(2, [&] { return src_gradient(b.dy(), b(index)); });
  }
};

struct ScatterValue : ScatterOperator, WritesAtIndex<ScatterValue> {
  static constexpr OperatorInfo info = {
      .signature = "scatter(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
      .formula = "y = x with y[index[i][j]][j] = c for dim = 0;  dx = dy with 0 there",
      .doc = "The same with one number, converted to the dtype of x.",
      .dtypes = kAnyDtype,
      .node = "ScatterBackward1",
      .inplace = "scatter_(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
  };
  static void write(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index, const Scalar& value) {
    scatter_checked(where, y, dim, index, repeated(where, index, value, y.scalar_type()), Combine::Replace);
  }
  void backward(Backward& b) const { b.dx(0) = scatter(b.dy(), dim_, b(index), 0); }
};

struct ScatterAdd : ScatterOperator, WritesAtIndex<ScatterAdd> {
  static constexpr OperatorInfo info = {
      .signature = "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
      .formula = "y = x, y[index[i][j]][j] += w[i][j] for dim = 0;  dx = dy, dw = gather(dy)",
      .doc =
          "As scatter, but adds the elements of src, in the order of the indices: the same bits on any number of "
          "threads.",
      .dtypes = kAnyDtype,
      .node = "ScatterAddBackward0",
      .inplace = "scatter_add_(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
  };
  static void write(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index, const Tensor& src) {
    scatter_checked(where, y, dim, index, src, Combine::Add);
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return b.dy(); });
    b.set_dx(2, [&] { return src_gradient(b.dy(), b(index)); });
  }
};

}  // namespace

#include <backflow/ops/scattering_functions.inc>

OperatorFamily scattering_operators() { return family<Scatter, ScatterValue, ScatterAdd>("scattering"); }

}  // namespace backflow
