// Products of vectors and matrices.
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/products/products_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct Mm : SavesFactors {
  static constexpr OperatorInfo info = {
      .signature = "mm(Tensor self, Tensor mat2) -> Tensor",
      .formula = "y = x w;  dx = dy w^T, dw = x^T dy",
      .doc = "Product of two matrices, [m, k] by [k, n], of one dtype. An Error for bool.",
      .dtypes = kNumericDtypes,
      .node = "MmBackward0",
  };
  static Cost forward_cost(const Tensor& x, const Tensor& w) {
    return kernels::gemm_cost(x.size(0), w.size(1), x.size(1), x.scalar_type());
  }
  static Cost cost(const Tensor& x, const Tensor& w) { return gradient_cost(forward_cost(x, w), x, w); }
  static Tensor forward(const Tensor& x, const Tensor& w) {
    check(x.dim() == 2 && w.dim() == 2, "mm: x ", describe(x), ", w ", describe(w), ": need two matrices");
    check_one_dtype("mm", x, w);
    check(x.size(1) == w.size(0), "mm: inner dimensions differ: x ", describe(x), ", w ", describe(w), ": need ",
          x.size(1));
    Tensor y = empty_tensor({x.size(0), w.size(1)}, x.scalar_type());
    multiply(y, x, w, {}, RightOperand::Any);
    return y;
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return mm(b.dy(), t(b(w))); });
    set_product(
        b, 1, [&] { return t(b(x)); }, [&] { return b.dy(); });
  }
};

struct Mv : SavesFactors {
  static constexpr OperatorInfo info = {
      .signature = "mv(Tensor self, Tensor vec) -> Tensor",
      .formula = "y = x w;  dx = dy w^T, dw = x^T dy",
      .doc = "Product of a matrix [m, k] and a vector [k], of one dtype. An Error for bool.",
      .dtypes = kNumericDtypes,
      .node = "MvBackward0",
  };
  static Cost forward_cost(const Tensor& x, const Tensor&) {
    return kernels::gemm_cost(x.size(0), 1, x.size(1), x.scalar_type());
  }
  static Cost cost(const Tensor& x, const Tensor& w) { return gradient_cost(forward_cost(x, w), x, w); }
  static Tensor forward(const Tensor& x, const Tensor& w) {
    check(x.dim() == 2 && w.dim() == 1, "mv: x ", describe(x), ", w ", describe(w), ": need a matrix and a vector");
    check_one_dtype("mv", x, w);
    check(x.size(1) == w.size(0), "mv: inner dimensions differ: x ", describe(x), ", w ", describe(w), ": need ",
          x.size(1));
    const Tensor y = empty_tensor({x.size(0), 1}, x.scalar_type());
    kernels::gemm(y, x, view_of(w, {w.size(0), 1}, {w.stride(0), 1}, w.storage_offset()));
    return view_of(y, x.size(0), 1, 0);
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return outer(b.dy(), b(w)); });
    b.set_dx(1, [&] { return mv(t(b(x)), b.dy()); });
  }
};

/// The product of two vectors and its gradient.
struct VectorProduct : SavesFactors {
  static Tensor product(const char* op, const Tensor& x, const Tensor& w) {
    check(x.dim() == 1 && w.dim() == 1 && x.size(0) == w.size(0), op, ": x ", describe(x), ", w ", describe(w),
          ": need two vectors of one length");
    check_one_dtype(op, x, w);
    const Tensor y = empty_tensor({1, 1}, x.scalar_type());
    kernels::gemm(y, view_of(x, {1, x.size(0)}, {1, x.stride(0)}, x.storage_offset()),
                  view_of(w, {w.size(0), 1}, {w.stride(0), 1}, w.storage_offset()));
    return view_of(y, {}, {}, 0);
  }
  static Cost forward_cost(const Tensor& x, const Tensor&) {
    return kernels::gemm_cost(1, 1, x.size(0), x.scalar_type());
  }
  static Cost cost(const Tensor& x, const Tensor& w) { return gradient_cost(forward_cost(x, w), x, w); }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return mul(b(w), b.dy()); });
    b.set_dx(1, [&] { return mul(b(x), b.dy()); });
  }
};

struct Dot : VectorProduct {
  static constexpr OperatorInfo info = {
      .signature = "dot(Tensor self, Tensor tensor) -> Tensor",
      .formula = "y = sum of x_i w_i;  dx = dy w, dw = dy x",
      .doc = "A scalar, of two vectors of one length and dtype. An Error for bool.",
      .dtypes = kNumericDtypes,
      .node = "DotBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& w) { return product("dot", x, w); }
};

struct Vdot : VectorProduct {
  static constexpr OperatorInfo info = {
      .signature = "vdot(Tensor self, Tensor other) -> Tensor",
      .formula = "y = sum of x_i w_i;  dx = dy w, dw = dy x",
      .doc = "dot; it differs for complex numbers only, which Backflow does not have.",
      .dtypes = kNumericDtypes,
      .node = "VdotBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& w) { return product("vdot", x, w); }
};

struct Outer {
  static constexpr OperatorInfo info = {
      .signature = "outer(Tensor self, Tensor vec2) -> Tensor",
      .formula = "y_ij = x_i w_j",
      .doc = "The matrix [m, n] of the products of two vectors [m] and [n]. Dtypes are promoted.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) {
    check(x.dim() == 1 && w.dim() == 1, "outer: x ", describe(x), ", w ", describe(w), ": need two vectors");
    return mul(unsqueeze(x, 1), w);
  }
};

struct Ger {
  static constexpr OperatorInfo info = {
      .signature = "ger(Tensor self, Tensor vec2) -> Tensor",
      .formula = "y_ij = x_i w_j",
      .doc = "Another name of outer.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) { return outer(x, w); }
};

struct Inner {
  static constexpr OperatorInfo info = {
      .signature = "inner(Tensor self, Tensor other) -> Tensor",
      .formula = "y[..., ...] = sum over k of x[..., k] w[..., k]",
      .doc =
          "Sum of products over the last dimensions, which have one size. The result has the other dimensions of x, "
          "then those of w. A tensor without dimensions is a factor. An Error for bool.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) {
    check(x.scalar_type() != kBool || w.scalar_type() != kBool,
          "inner: dtype bool: need numbers; to(kInt64) gives them");
    if (x.dim() == 0 || w.dim() == 0) {
      return mul(x, w);
    }
    check_one_dtype("inner", x, w);
    check(x.size(-1) == w.size(-1), "inner: last dimensions differ: x ", describe(x), ", w ", describe(w), ": need ",
          x.size(-1));
    DimVector sizes(x.sizes());
    sizes.pop_back();
    for (std::size_t d = 0; d + 1 < w.sizes().size(); ++d) {
      sizes.push_back(w.sizes()[d]);
    }
    return reshape(mm(as_rows(x), t(as_rows(w))), sizes);
  }
};

struct Linear : SavesFactors {
  static constexpr bool kGradientsApart = true;
  static constexpr OperatorInfo info = {
      .signature = "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
      .formula = "y = x w^T + b;  dx = dy w, dw = dy^T x, db = dy summed over rows",
      .doc =
          "A fully connected layer: input [..., k], weight [n, k], bias [n] or none, result [..., n], of one dtype. "
          "An Error for bool.",
      .dtypes = kNumericDtypes,
      .node = "AddmmBackward0",
  };
  static Cost forward_cost(const Tensor& x, const Tensor& w, const Tensor&) {
    return kernels::gemm_cost(rows(x), w.size(0), w.size(1), x.scalar_type());
  }
  static Cost cost(const Tensor& x, const Tensor& w, const Tensor& bias) {
    return gradient_cost(forward_cost(x, w, bias), x, w);
  }
  static std::int64_t rows(const Tensor& x) {
    std::int64_t n = 1;
    for (std::size_t d = 0; d + 1 < x.sizes().size(); ++d) {
      n *= x.sizes()[d];
    }
    return n;
  }
  static DimVector shape(const Tensor& x, const Tensor& w, const Tensor& bias) {
    check(w.dim() == 2 && x.dim() >= 1, "linear: input ", describe(x), ", weight ", describe(w),
          ": need an input with dimensions and a matrix");
    check_one_dtype("linear", x, w);
    check(x.size(-1) == w.size(1), "linear: inner dimensions differ: input ", describe(x), ", weight ", describe(w),
          ": need ", w.size(1));
    if (bias.defined()) {
      check_one_dtype("linear", x, bias);
      check(bias.sizes() == IntArrayRef(w.size(0)), "linear: bias ", describe(bias), ", weight ", describe(w),
            ": need a bias of shape [", w.size(0), "]");
    }
    DimVector sizes(x.sizes());
    sizes.back() = w.size(0);
    return sizes;
  }
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias) {
    const DimVector sizes = shape(x, w, bias);
    const Tensor y = empty_tensor({rows(x), w.size(0)}, x.scalar_type());
    multiply(y, as_rows(x), t(w), bias, RightOperand::Weights);
    return sizes.size() == 2 ? y : view_of(y, sizes, contiguous_strides(sizes), 0);
  }
  void backward(Backward& b) const {
    const Tensor dy = as_rows(b.dy());
    if (b.wants(0)) {
      const Tensor dx = mm(dy, b(w));
      DimVector sizes(b.dy().sizes());
      sizes.back() = dx.size(1);
      b.dx(0) = sizes.size() == 2 ? dx : reshape(dx, sizes);
    }
    set_product(
        b, 1, [&] { return t(dy); }, [&] { return as_rows(b(x)); });
    b.set_dx(2, [&] { return sum(dy, 0); });
  }
};

}  // namespace

#include <backflow/ops/matrix_products_functions.inc>

OperatorFamily matrix_products_operators() {
  return family<Mm, Mv, Dot, Vdot, Outer, Ger, Inner, Linear>("matrix_products");
}

}  // namespace backflow
