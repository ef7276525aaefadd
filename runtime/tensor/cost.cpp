#include <backflow/runtime/tensor/cost.h>

#include <cmath>

#include <backflow/runtime/threads/cuts.h>

namespace backflow {

float Cost::nanoseconds(int threads) const {
  const float alone = nanoseconds();
  const float used = std::min(alone / static_cast<float>(kLeastPiece), static_cast<float>(threads));
  if (used < 2) {
    return alone;
  }
  const float speed = 1 + kFurtherThread * (used - 1);
  const float bandwidth = bytes <= kCacheBytes ? speed : used / (1 + kSharedMemory * (used - 1));
  const float shared = std::max(flop_time() / speed, bytes_time() / bandwidth);
  return std::min(alone, kLatency + shared + kLoop + kLoopPerDoubling * std::log2(used / 2));
}

}  // namespace backflow
