// Matrix products.
#include <backflow/ops/kernels/gemm.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

void check_dtypes(const char* where, const Tensor& x, const Tensor& w) {
  check(x.scalar_type() == w.scalar_type() && x.scalar_type() >= kFloat32, where, ": dtypes ", describe(x), " and ",
        describe(w), ": need two tensors of one floating-point dtype");
}

struct Mm {
  static constexpr OperatorInfo info = {
      .name = "mm",
      .signature = "mm(Tensor self, Tensor mat2) -> Tensor",
      .formula = "y = x w;  dx = dy w^T, dw = x^T dy",
      .doc = "Product of two matrices, [m, k] by [k, n], of one floating-point dtype.",
      .dtypes = kSingleAndDouble,
      .node = "MmBackward0",
  };
  SavedTensor x;
  SavedTensor w;
  static Cost forward_cost(const Tensor& x, const Tensor& w) {
    return kernels::gemm_cost(x.size(0), w.size(1), x.size(1), x.scalar_type());
  }
  static Cost cost(const Tensor& x, const Tensor& w) {
    return forward_cost(x, w).times(int{x.requires_grad()} + int{w.requires_grad()});
  }
  static Tensor forward(const Tensor& x, const Tensor& w) {
    check(x.dim() == 2 && w.dim() == 2, "mm: x ", describe(x), ", w ", describe(w), ": need two matrices");
    check_dtypes("mm", x, w);
    check(x.size(1) == w.size(0), "mm: inner dimensions differ: x ", describe(x), ", w ", describe(w), ": need ",
          x.size(1));
    Tensor y = empty_tensor({x.size(0), w.size(1)}, x.scalar_type());
    kernels::gemm(y, x, w);
    return y;
  }
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor&) {
    if (needs[1]) {
      x.save(x_);
    }
    if (needs[0]) {
      w.save(w_);
    }
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      b.dx(0) = mm(b.dy(), t(b(w)));
    }
    if (b.wants(1)) {
      b.dx(1) = mm(t(b(x)), b.dy());
    }
  }
};

struct Matmul {
  static constexpr OperatorInfo info = {
      .name = "matmul",
      .signature = "matmul(Tensor self, Tensor other) -> Tensor",
      .formula = "y = x w",
      .doc =
          "Product of vectors and matrices, as mm: a vector counts as a row on the left and as a column on the right, "
          "and its dimension is dropped from the result. On the left, dimensions before the last two are rows too.",
      .dtypes = kSingleAndDouble,
  };
  static Tensor forward(const Tensor& x, const Tensor& w) {
    check(x.dim() >= 1 && (w.dim() == 1 || w.dim() == 2), "matmul: x ", describe(x), ", w ", describe(w),
          ": need a tensor with dimensions and a vector or matrix");
    check(x.size(-1) == w.size(0), "matmul: inner dimensions differ: x ", describe(x), ", w ", describe(w), ": need ",
          x.size(-1));
    DimVector sizes(x.sizes());
    sizes.pop_back();
    if (w.dim() == 2) {
      sizes.push_back(w.size(1));
    }
    const Tensor rows =
        x.dim() == 2 ? x : reshape(x, {numel_of(x.sizes()) / std::max<std::int64_t>(x.size(-1), 1), x.size(-1)});
    const Tensor y = mm(rows, w.dim() == 2 ? w : reshape(w, {w.size(0), 1}));
    return y.sizes() == IntArrayRef(sizes) ? y : reshape(y, sizes);
  }
};

struct Linear {
  static constexpr OperatorInfo info = {
      .name = "linear",
      .signature = "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
      .formula = "y = x w^T + b;  dx = dy w, dw = dy^T x, db = dy summed over rows",
      .doc =
          "A fully connected layer: input [..., k], weight [n, k], bias [n] or none, result [..., n], of one "
          "floating-point dtype.",
      .dtypes = kSingleAndDouble,
      .node = "AddmmBackward0",
  };
  SavedTensor x;
  SavedTensor w;
  static Cost forward_cost(const Tensor& x, const Tensor& w, const Tensor&) {
    return kernels::gemm_cost(rows(x), w.size(0), w.size(1), x.scalar_type());
  }
  static Cost cost(const Tensor& x, const Tensor& w, const Tensor& bias) {
    return forward_cost(x, w, bias).times(int{x.requires_grad()} + int{w.requires_grad()});
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
    check_dtypes("linear", x, w);
    check(x.size(-1) == w.size(1), "linear: inner dimensions differ: input ", describe(x), ", weight ", describe(w),
          ": need ", w.size(1));
    if (bias.defined()) {
      check_dtypes("linear", x, bias);
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
    kernels::gemm(y, matrix(x), t(w), bias.defined() ? contiguous(bias) : bias);
    return sizes.size() == 2 ? y : view_of(y, sizes, contiguous_strides(sizes), 0);
  }
  void save(Needs needs, const Tensor& x_, const Tensor& w_, const Tensor&, const Tensor&) {
    if (needs[1]) {
      x.save(x_);
    }
    if (needs[0]) {
      w.save(w_);
    }
  }
  void backward(Backward& b) const {
    const Tensor dy = matrix(b.dy());
    if (b.wants(0)) {
      const Tensor dx = mm(dy, b(w));
      DimVector sizes(b.dy().sizes());
      sizes.back() = dx.size(1);
      b.dx(0) = sizes.size() == 2 ? dx : reshape(dx, sizes);
    }
    if (b.wants(1)) {
      b.dx(1) = mm(t(dy), matrix(b(x)));
    }
    if (b.wants(2)) {
      b.dx(2) = sum(dy, 0);
    }
  }

 private:
  static Tensor matrix(const Tensor& x) { return x.dim() == 2 ? x : reshape(x, {rows(x), x.size(-1)}); }
};

}  // namespace

#include <backflow/ops/linear_algebra_functions.inc>

OperatorFamily linear_algebra_operators() { return family<Mm, Matmul, Linear>("linear_algebra"); }

}  // namespace backflow
