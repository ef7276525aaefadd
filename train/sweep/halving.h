#pragma once

#include <cstdint>
#include <vector>

namespace backflow::train {

/// The epochs after which successive halving judges runs of `epochs` epochs: epochs / eta, epochs / eta^2 and so on
/// down to `least`, in increasing order; then `epochs` itself. (Jamieson, Talwalkar: Non-stochastic best arm
/// identification and hyperparameter optimization, 2016.)
std::vector<std::int64_t> halving_rungs(std::int64_t epochs, std::int64_t eta, std::int64_t least);

/// Which of some runs go on: the best n / eta, rounded up. A run without a value (NaN) never does. Of equal ones the
/// earlier goes on.
std::vector<std::size_t> survivors(const std::vector<double>& values, std::int64_t eta, bool lower_is_better);

}  // namespace backflow::train
