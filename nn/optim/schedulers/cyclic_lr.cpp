#include <backflow/nn/optim/schedulers/cyclic_lr.h>

#include <cmath>

namespace backflow::optim {

CyclicLR::CyclicLR(Optimizer& optimizer, double base_lr, double max_lr, CyclicLROptions options)
    : ClosedFormLR(optimizer), low_(base_lr), high_(max_lr), options_(options) {
  if (options_.step_size_down == 0) {
    options_.step_size_down = options_.step_size_up;
  }
  check(options_.step_size_up >= 1 && options_.step_size_down >= 1, "cyclic_lr: ", options_.step_size_up,
        " steps up and ", options_.step_size_down, " down: need numbers >= 1");
  go_to(0);
}

double CyclicLR::height_at(std::int64_t t) const {
  const auto total = static_cast<double>(options_.step_size_up + options_.step_size_down);
  const double ratio = static_cast<double>(options_.step_size_up) / total;
  const double cycle = std::floor(1 + static_cast<double>(t) / total);
  const double x = 1 + static_cast<double>(t) / total - cycle;
  const double height = x <= ratio ? x / ratio : (x - 1) / (ratio - 1);
  switch (options_.mode) {
    case CyclicLROptions::Mode::Triangular:
      return height;
    case CyclicLROptions::Mode::Triangular2:
      return height / std::pow(2, cycle - 1);
    case CyclicLROptions::Mode::ExpRange:
      return height * std::pow(options_.gamma, static_cast<double>(t));
  }
  return height;
}

double CyclicLR::lr_at(std::size_t, std::int64_t t) const { return low_ + (high_ - low_) * height_at(t); }

std::optional<double> CyclicLR::momentum_at(std::size_t, std::int64_t t) const {
  if (!options_.cycle_momentum) {
    return std::nullopt;
  }
  return options_.max_momentum - (options_.max_momentum - options_.base_momentum) * height_at(t);
}

}  // namespace backflow::optim
