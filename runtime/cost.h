#pragma once

#include <algorithm>

#include <backflow/runtime/dtype.h>

namespace backflow {

/// What a computation does: floating-point operations, a multiplication and an addition counting as two, and bytes of
/// memory that it reads and writes.
struct Cost {
  float flop = 0;
  float bytes = 0;
  ScalarType dtype = kFloat32;  ///< of the arithmetic

  // Of one core, measured on Sapphire Rapids.
  static constexpr float kLatency = 150;  ///< ns of an operation on nothing
  static constexpr float kBytesPerNanosecond = 24;
  static constexpr float kFlopPerNanosecond = 120;  ///< in float32
  static constexpr float kFloat64Factor = 0.25F;    ///< of that rate, in float64

  /// Estimated time on one thread, in ns.
  constexpr float nanoseconds() const {
    const float rate = kFlopPerNanosecond * (dtype == kFloat64 ? kFloat64Factor : 1);
    return kLatency + std::max(flop / rate, bytes / kBytesPerNanosecond);
  }
  /// The cost of doing it `n` times.
  constexpr Cost times(int n) const { return {static_cast<float>(n) * flop, static_cast<float>(n) * bytes, dtype}; }
};

}  // namespace backflow
