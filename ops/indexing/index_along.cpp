// Whole slices along a dimension, which an index of one dimension chooses: added to, replaced, filled.
#include <algorithm>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/elementwise/numbers_internal.h>
#include <backflow/ops/indexing/indices_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Combine;

/// What the operators have in common.
struct SliceOperator {
  SavedTensor index;
  DimVector source_sizes;
  std::int64_t dim_;

 protected:
  static void scatter_slices(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index,
                             const Tensor& source, Combine combine) {
    const std::size_t d = wrap_dim(where, dim, y.sizes().size());
    check(source.scalar_type() == y.scalar_type(), where, ": source ", describe(source), ", tensor ", describe(y),
          ": need equal dtypes");
    const Tensor to = at_least_1d(y);
    DimVector sizes(to.sizes());
    sizes[d] = index.numel();
    check(at_least_1d(source).sizes() == IntArrayRef(sizes), where, ": source ", describe(source), ", index ",
          describe(index), ", tensor ", describe(y), ": need a source of shape ", sizes);
    const Tensor chosen = spread_index(where, index, d, sizes);
    scatter_into(where, to, d, chosen, at_least_1d(source), combine);
  }
  void save_operands(std::int64_t dim, const Tensor& index_, const Tensor& source) {
    dim_ = dim;
    index.save(index_);
    source_sizes = source.sizes();
  }
  /// The gradient of a source whose slices are those of y that the index names.
  Tensor source_gradient(const Tensor& dy, const Tensor& chosen) const {
    const Tensor dw = index_select(dy, dim_, chosen);
    return dw.sizes() == IntArrayRef(source_sizes) ? dw : reshape(dw, source_sizes);
  }
  /// One number for all of the slices.
  static void fill_slices(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index,
                          const Tensor& number) {
    DimVector sizes(at_least_1d(y).sizes());
    sizes[wrap_dim(where, dim, y.sizes().size())] = index.numel();
    const Cast value(number, y.scalar_type());
    const Tensor& one = value;
    scatter_slices(where, y, dim, index, view_of(one, sizes, DimVector(sizes.size(), 0), one.storage_offset()),
                   Combine::Replace);
  }
};

struct IndexAdd : SliceOperator, WritesAtIndex<IndexAdd> {
  static constexpr OperatorInfo info = {
      .signature = "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
      .formula = "y = x, y[index[i]] += alpha w[i] along a dimension;  dx = dy, dw[i] = alpha dy[index[i]]",
      .doc =
          "Adds slices of the source to the slices of x that a one-dimensional index of int64 or int32 names, in its "
          "order: the same bits on any number of threads. The source has the dtype and shape of x, except in dimension "
          "dim, where it has the index's size. An Error for indices out of range.",
      .dtypes = kAnyDtype,
      .node = "IndexAddBackward0",
      .inplace = "index_add_(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
  };
  Scalar alpha_;
  static void write(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index, const Tensor& source,
                    const Scalar& alpha) {
    check_number(where, alpha, y.scalar_type());
    const Tensor scaled = is_one(alpha) ? source : to(mul(source.detach(), alpha), source.scalar_type());
    scatter_slices(where, y, dim, index, scaled, Combine::Add);
  }
  void save(Needs, const Tensor&, std::int64_t dim, const Tensor& index_, const Tensor& source, const Scalar& alpha,
            const Tensor&) {
    save_operands(dim, index_, source);
    alpha_ = alpha;
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return b.dy(); });
    if (b.wants(2)) {
      const Tensor dw = source_gradient(b.dy(), b(index));
      b.dx(2) = is_one(alpha_) ? dw : mul(dw, alpha_);
    }
  }

 private:
  static bool is_one(const Scalar& alpha) { return alpha.toDouble() == 1; }
};

struct IndexCopy : SliceOperator, WritesAtIndex<IndexCopy> {
  static constexpr OperatorInfo info = {
      .signature = "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
      .formula = "y = x, y[index[i]] = w[i] along a dimension;  dx = dy with 0 there, dw[i] = dy[index[i]]",
      .doc = "As index_add, but replaces slices. Of duplicate indices the last one is kept.",
      .dtypes = kAnyDtype,
      .node = "IndexCopyBackward0",
      .inplace = "index_copy_(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
  };
  static void write(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index, const Tensor& source) {
    scatter_slices(where, y, dim, index, source, Combine::Replace);
  }
  void save(Needs, const Tensor&, std::int64_t dim, const Tensor& index_, const Tensor& source, const Tensor&) {
    save_operands(dim, index_, source);
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return index_fill(b.dy(), dim_, b(index), 0); });
    b.set_dx(2, [&] { return source_gradient(b.dy(), b(index)); });
  }
};

struct IndexFillScalar : SliceOperator, WritesAtIndex<IndexFillScalar> {
  static constexpr OperatorInfo info = {
      .signature = "index_fill(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
      .formula = "y = x, y[index[i]] = c along a dimension;  dx = dy with 0 there",
      .doc = "As index_copy, with one number, converted to the dtype of x.",
      .dtypes = kAnyDtype,
      .node = "IndexFillBackward0",
      .inplace = "index_fill_(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
  };
  static void write(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index, const Scalar& value) {
    fill_slices(where, y, dim, index, number_as(where, value, y.scalar_type()));
  }
  void save(Needs, const Tensor& x, std::int64_t dim, const Tensor& index_, const Scalar&, const Tensor&) {
    save_operands(dim, index_, x);
  }
  void backward(Backward& b) const { b.dx(0) = index_fill(b.dy(), dim_, b(index), 0); }
};

struct IndexFill : SliceOperator, WritesAtIndex<IndexFill> {
  static constexpr OperatorInfo info = {
      .signature = "index_fill(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
      .formula = "y = x, y[index[i]] = w along a dimension;  dx = dy with 0 there, dw = the sum of dy there",
      .doc = "The same with the number of a tensor without dimensions.",
      .dtypes = kAnyDtype,
      .node = "IndexFillBackward1",
      .inplace = "index_fill_(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
  };
  ScalarType value_dtype;
  static void write(const char* where, const Tensor& y, std::int64_t dim, const Tensor& index, const Tensor& value) {
    check(value.dim() == 0, where, ": value ", describe(value), ": need a tensor without dimensions");
    if (value.scalar_type() != y.scalar_type()) {
      check_number(where, value.item(), y.scalar_type());
    }
    fill_slices(where, y, dim, index, value);
  }
  void save(Needs, const Tensor&, std::int64_t dim, const Tensor& index_, const Tensor& value, const Tensor&) {
    save_operands(dim, index_, value);
    value_dtype = value.scalar_type();
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return index_fill(b.dy(), dim_, b(index), 0); });
    b.set_dx(2, [&] { return to(sum(index_select(b.dy(), dim_, b(index))), value_dtype); });
  }
};

}  // namespace

#include <backflow/ops/index_along_functions.inc>

OperatorFamily index_along_operators() {
  return family<IndexAdd, IndexCopy, IndexFillScalar, IndexFill>("index_along");
}

}  // namespace backflow
