#pragma once

#include <cstdint>

namespace backflow::train {

/// The mean loss over the samples of some steps.
struct MeanLoss {
  void add(double loss, std::int64_t samples) {
    total += loss * static_cast<double>(samples);
    n += samples;
  }
  double mean() const { return n > 0 ? total / static_cast<double>(n) : 0; }

  double total = 0;
  std::int64_t n = 0;
};

}  // namespace backflow::train
