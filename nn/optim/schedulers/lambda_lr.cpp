#include <backflow/nn/optim/schedulers/lambda_lr.h>

#include <utility>

namespace backflow::optim {

LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<Lambda> lambdas)
    : ClosedFormLR(optimizer), lambdas_(std::move(lambdas)) {
  check(lambdas_.size() == 1 || lambdas_.size() == groups(), "lambda_lr: ", lambdas_.size(), " functions for ",
        groups(), " groups: need one, or one for each");
  for (const Lambda& lambda : lambdas_) {
    check(lambda != nullptr, "lambda_lr: an empty function: need one");
  }
  go_to(0);
}

LambdaLR::LambdaLR(Optimizer& optimizer, Lambda lambda) : LambdaLR(optimizer, std::vector<Lambda>{std::move(lambda)}) {}

double LambdaLR::lr_at(std::size_t group, std::int64_t t) const {
  return base_lr(group) * lambdas_[lambdas_.size() == 1 ? 0 : group](t);
}

}  // namespace backflow::optim
