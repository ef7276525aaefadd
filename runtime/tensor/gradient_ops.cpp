#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow {
namespace {

GradientOps installed{};

}  // namespace

const GradientOps& gradient_ops() {
  check(installed.add != nullptr, "autograd: no operators to add gradients with: need the operator library linked");
  return installed;
}

void set_gradient_ops(const GradientOps& ops) { installed = ops; }

}  // namespace backflow
