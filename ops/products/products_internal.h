#pragma once

// What the matrix products have in common.

#include <cstdint>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/kernels/products/gemm.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow::detail {

/// Throws Error, for operator `op`, unless the tensors are numbers of one dtype.
template <class... Others>
void check_one_dtype(const char* op, const Tensor& x, const Others&... others) {
  [[maybe_unused]] const auto check_other = [&](const Tensor& w) {
    check(w.scalar_type() == x.scalar_type(), op, ": dtypes ", describe(x), " and ", describe(w),
          ": need tensors of one dtype");
  };
  (check_other(others), ...);
  check(x.scalar_type() != kBool, op, ": dtype bool: need numbers; to(kInt64) gives them");
}

/// Throws Error, for operator `op`, unless what is added to a product of these sizes broadcasts to it.
inline void check_addend(const char* op, const Tensor& input, const DimVector& sizes) {
  bool fits = input.sizes().size() <= sizes.size();
  for (std::size_t d = 0; fits && d < input.sizes().size(); ++d) {
    const std::int64_t size = input.sizes()[input.sizes().size() - 1 - d];
    fits = size == 1 || size == sizes[sizes.size() - 1 - d];
  }
  check(fits, op, ": input ", describe(input), ", product of shape ", sizes, ": need an input that broadcasts to it");
}

/// True when kernels may write `y` while they read x and w.
inline bool may_receive(const Tensor& y, const Tensor& x, const Tensor& w) {
  return y.is_contiguous() && !y.is_alias_of(x) && !y.is_alias_of(w);
}

/// What the program says of the right operand of a product: a layer's weights, or whatever it happens to be.
enum class RightOperand : std::uint8_t { Weights, Any };

/// y = x w + bias for matrices, as kernels::gemm, or by weights that are packed once for many products where that pays
/// (kernels::packed_product): where `w` can be expected to be used again as it is. Since the two differ in bits, no
/// history decides it, but what the program says here: weights are packed unless this call is part of training them;
/// any other matrix when it is, or is a view of, a leaf that requires a gradient, and no gradient is being recorded or
/// computed at all.
void multiply(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& bias, RightOperand kind);

/// Throws Error, which `op` starts, for factors that the dtype can't hold.
inline void check_factors(const char* op, ScalarType dtype, const Scalar& beta, const Scalar& alpha) {
  check_number(op, beta, dtype);
  check_number(op, alpha, dtype);
}

/// dx(i) of `b` becomes the product of two matrices if it is wanted: what mm(x(), w()) is. Off the tape it is computed
/// right where it is to be.
template <class X, class W>
void set_product(Backward& b, std::size_t i, const X& x, const W& w) {
  if (!b.wants(i)) {
    return;
  }
  if (GradMode::is_enabled()) {
    b.dx(i) = mm(x(), w());
    return;
  }
  const Tensor left = x();
  const Tensor right = w();
  const Tensor y = b.place_of(i, {left.size(0), right.size(1)}, left.scalar_type());
  multiply(y, left, right, {}, RightOperand::Any);
  b.dx(i) = y;
}

/// x times a number.
inline Tensor scaled(const Tensor& x, const Scalar& factor) { return factor.toDouble() == 1 ? x : mul(x, factor); }

/// The cost of the gradients of a product whose forward costs `forward`.
inline Cost gradient_cost(const Cost& forward, const Tensor& x, const Tensor& w) {
  return forward.times(int{x.requires_grad()} + int{w.requires_grad()});
}

/// What backward needs of y = beta input + alpha x w.
struct AddedProduct : SavesFactors {
  static constexpr bool kGradientsApart = true;
  OperandGeometry input;
  Scalar beta_;
  Scalar alpha_;
  void save(Needs needs, const Tensor& input_, const Tensor& x_, const Tensor& w_, const Scalar& beta,
            const Scalar& alpha, const Tensor& y) {
    input.save(input_, y);
    SavesFactors::save(needs.subspan(1), x_, w_);
    beta_ = beta;
    alpha_ = alpha;
  }
  void to_input(Backward& b) const {
    b.set_dx(0, [&] { return input.reduce(scaled(b.dy(), beta_)); });
  }
};

/// The same with the forward, from `shape(input, x, w)` and `compute(y, input, x, w, beta, alpha)` of `Op`.
template <class Op>
struct AddedProductInto : AddedProduct {
  static Cost cost(const Tensor& input, const Tensor& x, const Tensor& w, const Scalar& beta, const Scalar& alpha) {
    return gradient_cost(Op::forward_cost(input, x, w, beta, alpha), x, w);
  }
  static Tensor forward(const Tensor& input, const Tensor& x, const Tensor& w, const Scalar& beta,
                        const Scalar& alpha) {
    Tensor y = empty_tensor(Op::shape(input, x, w), x.scalar_type());
    Op::compute(y, input, x, w, beta, alpha);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& input, const Tensor& x, const Tensor& w, const Scalar& beta,
                           const Scalar& alpha) {
    const bool fits = Op::shape(input, x, w) == DimVector(y.sizes()) && may_receive(y, x, w);
    if (fits) {
      Op::compute(y, input, x, w, beta, alpha);
    }
    return fits;
  }
};

/// The product of each pair of matrices of two batches, x [..., m, k] and w [..., k, n] with equal batch dimensions;
/// recorded as bmm is.
Tensor batch_product(const Tensor& x, const Tensor& w);

/// x [rows, k] of x [..., k].
inline Tensor as_rows(const Tensor& x) {
  if (x.dim() == 2) {
    return x;
  }
  std::int64_t rows = 1;
  for (std::size_t d = 0; d + 1 < x.sizes().size(); ++d) {
    rows *= x.sizes()[d];
  }
  return reshape(x, {rows, x.size(-1)});
}

}  // namespace backflow::detail
