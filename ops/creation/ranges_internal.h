#pragma once

// Numbers in a row: how many there are, and which.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::detail {

template <class T>
void check_leads(T from, T to, T by) {
  check(by != 0 && (by > 0 ? to >= from : to <= from), "arange: from ", from, " to ", to, " by ", by,
        ": need a step other than 0 that leads from one to the other");
}
/// The number of elements from `from` on, by `by`, before `to`. Throws Error for a step that leads away.
inline std::int64_t range_length(double from, double to, double by) {
  check_leads(from, to, by);
  const double length = std::ceil((to - from) / by);
  check(length < 0x1p63, "arange: from ", from, " to ", to, " by ", by, ": need fewer elements");
  return static_cast<std::int64_t>(length);
}
/// The same without rounding: the distance of two integers fits into 64 bits without a sign.
inline std::int64_t range_length(std::int64_t from, std::int64_t to, std::int64_t by) {
  check_leads(from, to, by);
  const auto bits = [](std::int64_t n) { return static_cast<std::uint64_t>(n); };
  const std::uint64_t distance = by > 0 ? bits(to) - bits(from) : bits(from) - bits(to);
  const std::uint64_t step = by > 0 ? bits(by) : 0 - bits(by);
  const std::uint64_t length = distance / step + (distance % step != 0 ? 1 : 0);
  check(length < std::uint64_t{1} << 63, "arange: from ", from, " to ", to, " by ", by, ": need fewer elements");
  return static_cast<std::int64_t>(length);
}

inline constexpr std::int64_t kRangeAlignment = 512;  // elements, that is whole cache lines, where threads' parts begin

/// y = `steps` whole numbers at equal distances. The quotients are cut: rounded ones may lie below the whole number
/// that is meant.
template <class T>
void fill_integers(T* y, std::int64_t from, std::int64_t to, std::int64_t steps) {
  __extension__ using Wide = __int128;
  const Wide last = std::max<std::int64_t>(1, steps - 1);
  constexpr double kDivision = 15;  // nanoseconds
  const auto fill = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      y[i] = static_cast<T>((from * (last - i) + to * Wide{i}) / last);
    }
  };
  parallel_ranges(steps, kDivision * static_cast<double>(steps), fill, kRangeAlignment);
}
/// The same of reals, from the nearer end, so that both are exact.
template <class T>
void fill_reals(T* y, double from, double to, std::int64_t steps) {
  const auto last = static_cast<double>(std::max<std::int64_t>(1, steps - 1));
  const double range = to - from;
  const double step = steps == 1 ? 0 : std::isinf(range) ? to / last - from / last : range / last;
  const auto fill = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      y[i] = static_cast<T>(2 * i < steps ? from + step * static_cast<double>(i)
                                          : to - step * static_cast<double>(steps - 1 - i));
    }
  };
  parallel_ranges(steps, static_cast<double>(steps), fill, kRangeAlignment);
}

}  // namespace backflow::detail
