#include <backflow/train/sweep/halving.h>

#include <algorithm>
#include <cmath>

namespace backflow::train {

std::vector<std::int64_t> halving_rungs(std::int64_t epochs, std::int64_t eta, std::int64_t least) {
  std::vector<std::int64_t> rungs;
  for (std::int64_t at = epochs; at >= least && at > 0; at /= eta) {
    rungs.push_back(at);
  }
  if (rungs.empty()) {
    rungs.push_back(epochs);
  }
  std::reverse(rungs.begin(), rungs.end());
  return rungs;
}

std::vector<std::size_t> survivors(const std::vector<double>& values, std::int64_t eta, bool lower_is_better) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) {
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return lower_is_better ? values[a] < values[b] : values[a] > values[b];
  });
  const std::size_t kept = (values.size() + static_cast<std::size_t>(eta) - 1) / static_cast<std::size_t>(eta);
  order.resize(std::min(order.size(), kept));
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace backflow::train
