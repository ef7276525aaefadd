#include <backflow/nn/modules/dropout.h>

#include <ostream>

#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/grad_mode.h>

namespace backflow::nn {
namespace {

void check_probability(double p) { check(p >= 0 && p <= 1, "dropout: p ", p, ": need a number in [0, 1]"); }

Tensor mask_of(const Tensor& x, double p) {
  const NoGradGuard no_grad;
  Tensor mask = bernoulli(x.detach(), 1 - p);
  if (p < 1) {
    mask.div_(1 - p);
  }
  return mask;
}

}  // namespace

Tensor functional::dropout(const Tensor& input, const DropoutFuncOptions& options) {
  check_probability(options.p());
  if (!options.training() || options.p() == 0 || input.numel() == 0) {
    return input;
  }
  const Tensor mask = mask_of(input, options.p());
  return options.inplace() ? input.mul_(mask) : input * mask;
}

DropoutImpl::DropoutImpl(const DropoutOptions& options_) : options(options_) { check_probability(options.p()); }

Tensor DropoutImpl::forward(const Tensor& input) const {
  return functional::dropout(
      input, functional::DropoutFuncOptions().p(options.p()).training(is_training()).inplace(options.inplace()));
}

void DropoutImpl::pretty_print(std::ostream& stream) const {
  stream << name() << "(p=" << options.p() << ", inplace=" << (options.inplace() ? "True" : "False") << ')';
}

}  // namespace backflow::nn
