#pragma once

// How kernels are cut that go once over memory. No sum is cut, so the cut is free (runtime/threads/cuts.h).

#include <algorithm>
#include <cstdint>

#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {

/// In which one thread reads or writes a byte, about: 0.012 in its own caches, 0.06 in a training step, 0.075 in memory
/// (EPYC, 2026-11-30).
inline constexpr double kNanosecondsPerByte = 0.05;

/// Ranges of elements begin at multiples of so many: no two threads write one cache line, and blocks stay whole.
inline constexpr std::int64_t kRangeStep = 512;

/// Calls f(begin, end) for ranges of `numel` elements, each of which takes about `nanoseconds`.
template <class F>
void for_each_range_of(std::int64_t numel, double nanoseconds, const F& f) {
  parallel_ranges(numel, static_cast<double>(numel) * nanoseconds, f, kRangeStep);
}

}  // namespace backflow::kernels
