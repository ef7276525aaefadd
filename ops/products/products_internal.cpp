#include <backflow/ops/products/products_internal.h>

#include <backflow/ops/kernels/products/packed_product.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::detail {
namespace {

/// Whether `w` is used as it is, as far as the program says.
bool is_settled(const Tensor& w, RightOperand kind) {
  if (kind == RightOperand::Weights) {
    return !records_around() || !w.requires_grad();
  }
  const TensorImpl& owner = w.impl().base ? *w.impl().base : w.impl();
  return !records_around() && owner.requires_grad && !owner.grad_fn;
}

}  // namespace

void multiply(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& bias, RightOperand kind) {
  if (!is_settled(w, kind) || !kernels::packed_product(y, x, w, bias)) {
    kernels::gemm(y, x, w, bias);
  }
}

}  // namespace backflow::detail
