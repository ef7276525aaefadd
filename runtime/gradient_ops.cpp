#include <backflow/runtime/gradient_ops.h>

#include <cassert>

namespace backflow {
namespace {

GradientOps installed{};

}  // namespace

const GradientOps& gradient_ops() {
  assert(installed.add != nullptr && "link the operator library: it gives the engine its sums");
  return installed;
}

void set_gradient_ops(const GradientOps& ops) { installed = ops; }

}  // namespace backflow
