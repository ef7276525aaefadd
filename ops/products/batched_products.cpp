// Products of batches of matrices.
#include <algorithm>

#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/products/products_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct Bmm : SavesFactors {
  static constexpr OperatorInfo info = {
      .signature = "bmm(Tensor self, Tensor mat2) -> Tensor",
      .formula = "y_b = x_b w_b;  dx_b = dy_b w_b^T, dw_b = x_b^T dy_b",
      .doc =
          "Batched matrix product, [b, m, k] by [b, k, n], of one dtype. Strided operands are not copied. An Error for "
          "other shapes and for bool.",
      .dtypes = kNumericDtypes,
      .node = "BmmBackward0",
  };
  static Cost forward_cost(const Tensor& x, const Tensor& w) {
    const Cost one = kernels::gemm_cost(x.size(-2), w.size(-1), x.size(-1), x.scalar_type());
    const std::int64_t matrix = x.size(-2) * x.size(-1);
    return one.times(static_cast<int>(matrix == 0 ? 0 : x.numel() / matrix));
  }
  static Cost cost(const Tensor& x, const Tensor& w) { return gradient_cost(forward_cost(x, w), x, w); }
  static Tensor forward(const Tensor& x, const Tensor& w) {
    check(x.dim() == 3 && w.dim() == 3, "bmm: x ", describe(x), ", w ", describe(w), ": need two batches of matrices");
    check_one_dtype("bmm", x, w);
    check(x.size(0) == w.size(0), "bmm: batches differ: x ", describe(x), ", w ", describe(w), ": need ", x.size(0));
    check(x.size(2) == w.size(1), "bmm: inner dimensions differ: x ", describe(x), ", w ", describe(w), ": need ",
          x.size(2));
    return product(x, w);
  }
  static Tensor product(const Tensor& x, const Tensor& w) {
    DimVector sizes(x.sizes());
    sizes.back() = w.size(-1);
    Tensor y = empty_tensor(sizes, x.scalar_type());
    kernels::gemm(y, x, w);
    return y;
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return batch_product(b.dy(), transpose(b(w), -2, -1)); });
    b.set_dx(1, [&] { return batch_product(transpose(b(x), -2, -1), b.dy()); });
  }
};

/// The same for any number of batch dimensions.
struct BatchProduct : Bmm {
  static Tensor forward(const Tensor& x, const Tensor& w) { return product(x, w); }
};

/// x with these batch dimensions before its last two.
Tensor expand_batch(const Tensor& x, const DimVector& batch) {
  DimVector sizes(batch);
  sizes.push_back(x.size(-2));
  sizes.push_back(x.size(-1));
  return x.sizes() == IntArrayRef(sizes) ? x : expand(x, sizes);
}

IntArrayRef batch_of(const Tensor& x) { return {x.sizes().data(), x.sizes().size() - 2}; }

struct Matmul {
  static constexpr OperatorInfo info = {
      .signature = "matmul(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x w",
      .doc =
          "Product of vectors, matrices and batches of matrices, of one dtype. A vector is a row on the left and a "
          "column on the right; its dimension is dropped from the result. Dimensions before the last two are batch "
          "dimensions; they broadcast without a copy. An Error for tensors without dimensions and for bool.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) {
    check(x.dim() >= 1 && w.dim() >= 1, "matmul: x ", describe(x), ", w ", describe(w),
          ": need tensors with dimensions");
    check_one_dtype("matmul", x, w);
    check(x.size(-1) == w.size(w.dim() == 1 ? 0 : -2), "matmul: inner dimensions differ: x ", describe(x), ", w ",
          describe(w), ": need ", x.size(-1));
    if (x.dim() == 1 && w.dim() == 1) {
      return dot(x, w);
    }
    if (x.dim() == 1 && w.dim() == 2) {
      return squeeze(mm(unsqueeze(x, 0), w), 0);
    }
    return w.dim() <= 2 ? by_rows(x, w) : batched(x, w);
  }

 private:
  /// All dimensions of x but the last are rows.
  static Tensor by_rows(const Tensor& x, const Tensor& w) {
    const Tensor rows = as_rows(x);
    const Tensor y = w.dim() == 1 ? mv(rows, w) : mm(rows, w);
    DimVector sizes(x.sizes());
    sizes.pop_back();
    if (w.dim() == 2) {
      sizes.push_back(w.size(1));
    }
    return y.sizes() == IntArrayRef(sizes) ? y : reshape(y, sizes);
  }
  static Tensor batched(const Tensor& x, const Tensor& w) {
    const Tensor left = x.dim() == 1 ? unsqueeze(x, 0) : x;
    const DimVector batch = broadcast_shapes("matmul", batch_of(left), batch_of(w));
    const Tensor y = batch_product(expand_batch(left, batch), expand_batch(w, batch));
    return x.dim() == 1 ? squeeze(y, -2) : y;
  }
};

struct Baddbmm : AddedProductInto<Baddbmm> {
  static constexpr OperatorInfo info = {
      .signature = "baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
      .formula = "y_b = beta x_b + alpha u_b w_b;  dx = beta dy, du_b = alpha dy_b w_b^T, dw_b = alpha u_b^T dy_b",
      .doc =
          "bmm plus x, which broadcasts to the result. With beta = 0, x is ignored, NaN included. One dtype for all; "
          "beta and alpha are cast to it. An Error for bool.",
      .dtypes = kNumericDtypes,
      .node = "BaddbmmBackward0",
      .inplace = "baddbmm_(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
  };
  static Cost forward_cost(const Tensor&, const Tensor& x, const Tensor& w, const Scalar&, const Scalar&) {
    return Bmm::forward_cost(x, w);
  }
  static DimVector shape(const Tensor& input, const Tensor& x, const Tensor& w) {
    check(x.dim() == 3 && w.dim() == 3, "baddbmm: x ", describe(x), ", w ", describe(w),
          ": need two batches of matrices");
    check_one_dtype("baddbmm", input, x, w);
    check(x.size(0) == w.size(0) && x.size(2) == w.size(1), "baddbmm: x ", describe(x), ", w ", describe(w),
          ": need equal batches and inner dimensions");
    const DimVector sizes{x.size(0), x.size(1), w.size(2)};
    check_addend("baddbmm", input, sizes);
    return sizes;
  }
  static void compute(const Tensor& y, const Tensor& input, const Tensor& x, const Tensor& w, const Scalar& beta,
                      const Scalar& alpha) {
    check_factors("baddbmm", y.scalar_type(), beta, alpha);
    kernels::gemm(y, x, w, input, beta, alpha);
  }
  void backward(Backward& b) const {
    to_input(b);
    b.set_dx(1, [&] { return scaled(bmm(b.dy(), transpose(b(w), 1, 2)), alpha_); });
    b.set_dx(2, [&] { return scaled(bmm(transpose(b(x), 1, 2), b.dy()), alpha_); });
  }
};

}  // namespace

Tensor detail::batch_product(const Tensor& x, const Tensor& w) {
  return x.dim() == 3 ? record<Bmm>(x, w) : record<BatchProduct>(x, w);
}

#include <backflow/ops/batched_products_functions.inc>

OperatorFamily batched_products_operators() { return family<Bmm, Matmul, Baddbmm>("batched_products"); }

}  // namespace backflow
