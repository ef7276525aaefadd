#include <backflow/nn/optim/schedulers/exponential_lr.h>

#include <cmath>

namespace backflow::optim {

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : ClosedFormLR(optimizer), gamma_(gamma) { go_to(0); }

double ExponentialLR::lr_at(std::size_t group, std::int64_t t) const {
  return base_lr(group) * std::pow(gamma_, static_cast<double>(t));
}

}  // namespace backflow::optim
