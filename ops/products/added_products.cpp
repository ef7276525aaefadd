// Products of matrices that are added to a tensor.
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/products/products_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct Addmm : AddedProductInto<Addmm> {
  static constexpr OperatorInfo info = {
      .signature = "addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
      .formula = "y = beta x + alpha u w;  dx = beta dy, du = alpha dy w^T, dw = alpha u^T dy",
      .doc =
          "mm plus x, which broadcasts to the result. With beta = 0, x is ignored, NaN included. One dtype for all; "
          "beta and alpha are cast to it. An Error for bool.",
      .dtypes = kNumericDtypes,
      .node = "AddmmBackward0",
      .inplace = "addmm_(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
  };
  static Cost forward_cost(const Tensor&, const Tensor& x, const Tensor& w, const Scalar&, const Scalar&) {
    return kernels::gemm_cost(x.size(0), w.size(1), x.size(1), x.scalar_type());
  }
  static DimVector shape(const Tensor& input, const Tensor& x, const Tensor& w) {
    check(x.dim() == 2 && w.dim() == 2, "addmm: x ", describe(x), ", w ", describe(w), ": need two matrices");
    check_one_dtype("addmm", input, x, w);
    check(x.size(1) == w.size(0), "addmm: inner dimensions differ: x ", describe(x), ", w ", describe(w), ": need ",
          x.size(1));
    const DimVector sizes{x.size(0), w.size(1)};
    check_addend("addmm", input, sizes);
    return sizes;
  }
  static void compute(const Tensor& y, const Tensor& input, const Tensor& x, const Tensor& w, const Scalar& beta,
                      const Scalar& alpha) {
    if (input.sizes() == IntArrayRef(w.size(1)) && beta.toDouble() == 1 && alpha.toDouble() == 1) {
      multiply(y, x, w, input, RightOperand::Any);
    } else {
      check_factors("addmm", y.scalar_type(), beta, alpha);
      kernels::gemm(y, x, w, input, beta, alpha);
    }
  }
  void backward(Backward& b) const {
    to_input(b);
    b.set_dx(1, [&] { return scaled(mm(b.dy(), t(b(w))), alpha_); });
    b.set_dx(2, [&] { return scaled(mm(t(b(x)), b.dy()), alpha_); });
  }
};

/// x as a matrix with one column, off the tape; a tensor without dimensions stays as it is.
Tensor column(const Tensor& x) {
  return x.dim() == 0 ? x : view_of(x, {x.size(0), 1}, {x.stride(0), 1}, x.storage_offset());
}

struct Addmv : AddedProductInto<Addmv> {
  static constexpr OperatorInfo info = {
      .signature = "addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
      .formula = "y = beta x + alpha u w;  dx = beta dy, du = alpha dy w^T, dw = alpha u^T dy",
      .doc =
          "mv plus x, which broadcasts to the result. With beta = 0, x is ignored, NaN included. One dtype for all; "
          "beta and alpha are cast to it. An Error for bool.",
      .dtypes = kNumericDtypes,
      .node = "AddmvBackward0",
      .inplace = "addmv_(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
  };
  static Cost forward_cost(const Tensor&, const Tensor& x, const Tensor&, const Scalar&, const Scalar&) {
    return kernels::gemm_cost(x.size(0), 1, x.size(1), x.scalar_type());
  }
  static DimVector shape(const Tensor& input, const Tensor& x, const Tensor& w) {
    check(x.dim() == 2 && w.dim() == 1, "addmv: x ", describe(x), ", w ", describe(w), ": need a matrix and a vector");
    check_one_dtype("addmv", input, x, w);
    check(x.size(1) == w.size(0), "addmv: inner dimensions differ: x ", describe(x), ", w ", describe(w), ": need ",
          x.size(1));
    const DimVector sizes{x.size(0)};
    check_addend("addmv", input, sizes);
    return sizes;
  }
  static void compute(const Tensor& y, const Tensor& input, const Tensor& x, const Tensor& w, const Scalar& beta,
                      const Scalar& alpha) {
    check_factors("addmv", y.scalar_type(), beta, alpha);
    kernels::gemm(column(y), x, column(w), column(input), beta, alpha);
  }
  void backward(Backward& b) const {
    to_input(b);
    b.set_dx(1, [&] { return scaled(outer(b.dy(), b(w)), alpha_); });
    b.set_dx(2, [&] { return scaled(mv(t(b(x)), b.dy()), alpha_); });
  }
};

struct Addbmm : AddedProduct {
  static constexpr OperatorInfo info = {
      .signature = "addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
      .formula =
          "y = beta x + alpha (sum over b of u_b w_b);  dx = beta dy, du_b = alpha dy w_b^T, dw_b = alpha u_b^T dy",
      .doc =
          "The sum over a batch of matrix products, [b, m, k] by [b, k, n], plus x, which broadcasts to [m, n]. With "
          "beta = 0, x is ignored, NaN included. One dtype for all; beta and alpha are cast to it. An Error for bool.",
      .dtypes = kNumericDtypes,
      .node = "AddbmmBackward0",
      .inplace = "addbmm_(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
  };
  static Cost forward_cost(const Tensor&, const Tensor& x, const Tensor& w, const Scalar&, const Scalar&) {
    return kernels::gemm_cost(x.size(1), w.size(2), x.size(0) * x.size(2), x.scalar_type());
  }
  static Cost cost(const Tensor& input, const Tensor& x, const Tensor& w, const Scalar& beta, const Scalar& alpha) {
    return gradient_cost(forward_cost(input, x, w, beta, alpha), x, w);
  }
  static Tensor forward(const Tensor& input, const Tensor& x, const Tensor& w, const Scalar& beta,
                        const Scalar& alpha) {
    check(x.dim() == 3 && w.dim() == 3, "addbmm: x ", describe(x), ", w ", describe(w),
          ": need two batches of matrices");
    check_one_dtype("addbmm", input, x, w);
    check(x.size(0) == w.size(0) && x.size(2) == w.size(1), "addbmm: x ", describe(x), ", w ", describe(w),
          ": need equal batches and inner dimensions");
    const DimVector sizes{x.size(1), w.size(2)};
    check_addend("addbmm", input, sizes);
    check_factors("addbmm", x.scalar_type(), beta, alpha);
    const std::int64_t inner = x.size(0) * x.size(2);
    Tensor y = empty_tensor(sizes, x.scalar_type());
    kernels::gemm(y, reshape(transpose(x, 0, 1), {x.size(1), inner}), reshape(w, {inner, w.size(2)}), input, beta,
                  alpha);
    return y;
  }
  void backward(Backward& b) const {
    to_input(b);
    if (b.wants(1)) {
      const Tensor rows = b(w);
      b.dx(1) = scaled(bmm(expand(b.dy(), {rows.size(0), -1, -1}), transpose(rows, 1, 2)), alpha_);
    }
    if (b.wants(2)) {
      const Tensor columns = b(x);
      b.dx(2) = scaled(bmm(transpose(columns, 1, 2), expand(b.dy(), {columns.size(0), -1, -1})), alpha_);
    }
  }
};

}  // namespace

#include <backflow/ops/added_products_functions.inc>

OperatorFamily added_products_operators() { return family<Addmm, Addmv, Addbmm>("added_products"); }

}  // namespace backflow
