#include <backflow/train/cores/machine.h>

#include <algorithm>
#include <cmath>

namespace backflow::train {

double Machine::start(int k) const { return first_helper + further_helpers * std::log2(static_cast<double>(k)); }

double Machine::join(int helpers) const { return first_join + further_joins * std::log2(static_cast<double>(helpers)); }

double Machine::total_bandwidth(int sharing) const {
  const double n = sharing;
  const double limit = std::min(bandwidth_limit, 63.99);  // 64 would be no limit
  const double c = limit > 1 ? 63 / (64 / limit - 1) : 1;
  return bytes_per_ns * n / (1 + (n - 1) / c);
}

}  // namespace backflow::train
