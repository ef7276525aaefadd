#pragma once

// How fast memory is: the triad of STREAM (McCalpin, Memory bandwidth and machine balance in current high performance
// computers, 1995).

#include <algorithm>
#include <cstdint>
#include <vector>

#include <backflow/runtime/threads/threads.h>

namespace bench {

/// a = b + s c on three float32 arrays of so many bytes together, which have been written before: a plain loop, cut
/// into one piece per thread. A bandwidth from it counts each array once: not that a is also read before it is written.
class Triad {
 public:
  Triad(std::int64_t bytes, int threads) : bytes_(bytes), threads_(threads) {}

  void run() {
    if (a_.empty()) {
      const auto n = static_cast<std::size_t>(bytes_ / 12);
      a_.assign(n, 0);
      b_.assign(n, 1);
      c_.assign(n, 2);
    }
    const auto n = static_cast<std::int64_t>(a_.size());
    backflow::parallel_for(threads_, [&](std::int64_t i) {
      float* a = a_.data();
      const float* b = b_.data();
      const float* c = c_.data();
      for (std::int64_t j = n * i / threads_; j < n * (i + 1) / threads_; ++j) {
        a[j] = b[j] + 3 * c[j];
      }
    });
  }

 private:
  std::int64_t bytes_;
  int threads_;
  std::vector<float> a_;
  std::vector<float> b_;
  std::vector<float> c_;
};

}  // namespace bench
