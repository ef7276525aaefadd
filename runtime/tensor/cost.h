#pragma once

#include <algorithm>

#include <backflow/runtime/tensor/dtype.h>

namespace backflow {

/// The cost of a computation: floating-point operations (a multiplication and an addition are two), and bytes of memory
/// read and written.
struct Cost {
  float flop = 0;
  float bytes = 0;
  ScalarType dtype = kFloat32;  ///< of the arithmetic

  // Of one core, measured on Sapphire Rapids; docs/internals/engine.md says how.
  static constexpr float kLatency = 150;              ///< ns of an operation on nothing
  static constexpr float kFlopPerNanosecond = 120;    ///< in float32
  static constexpr float kFloat64Factor = 0.25F;      ///< of that rate, in float64
  static constexpr float kCacheBytes = 1 << 20;       ///< what goes through the caches of a core
  static constexpr float kCachedPerNanosecond = 100;  ///< bytes of it
  static constexpr float kBytesPerNanosecond = 12;    ///< of memory
  static constexpr float kMovedPerNanosecond = 10;    ///< bytes from the caches of one core to those of another
  // Of several.
  static constexpr float kFurtherThread = 0.9F;  ///< speed of each thread after the first: all wait for the last one
  static constexpr float kSharedMemory = 0.07F;  ///< n threads have n / (1 + kSharedMemory (n - 1)) times the bandwidth
  static constexpr float kLoop = 1'500;          ///< ns until a second thread has its piece and the first knows its end
  static constexpr float kLoopPerDoubling = 700;  ///< ns for twice as many threads

  /// Estimated time on one thread, in ns.
  constexpr float nanoseconds() const { return kLatency + std::max(flop_time(), bytes_time()); }
  /// The same when it has so many threads for itself: kernels cut what is large into pieces.
  float nanoseconds(int threads) const;
  /// What it costs if the result is used on another core, in ns: about a third of the bytes are those of the result,
  /// and what does not fit the caches has left them anyway.
  constexpr float handover() const { return std::min(bytes / 3, kCacheBytes) / kMovedPerNanosecond; }
  /// The cost of doing it `n` times.
  constexpr Cost times(int n) const { return {static_cast<float>(n) * flop, static_cast<float>(n) * bytes, dtype}; }

 private:
  constexpr float flop_time() const {
    constexpr float kPerFlop = 1 / kFlopPerNanosecond;
    return flop * kPerFlop * (dtype == kFloat64 ? 1 / kFloat64Factor : 1);
  }
  constexpr float bytes_time() const {
    constexpr float kPerCachedByte = 1 / kCachedPerNanosecond;
    constexpr float kPerByte = 1 / kBytesPerNanosecond;
    return bytes * (bytes <= kCacheBytes ? kPerCachedByte : kPerByte);
  }
};

}  // namespace backflow
