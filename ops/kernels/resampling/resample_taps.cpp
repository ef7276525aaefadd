// Which elements of a dimension, and how much of each, make one of the resampled dimension.
#include <backflow/ops/kernels/resampling/resample_taps.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace backflow::kernels {
namespace {

/// A few neighbouring elements: weight[k] of element first + k.
template <class T>
struct Few {
  std::int64_t first = 0;
  std::array<T, 4> weight{};
};

/// A place among the elements of a dimension: behind element `below` by the fraction `beyond`.
struct SourcePoint {
  std::int64_t below;
  double beyond;
};

/// The place n / d, d > 0. In integers, since a rounded quotient may lie below the whole number that is meant.
SourcePoint quotient(std::int64_t n, std::int64_t d) {
  const std::int64_t rest = (n % d + d) % d;
  return {(n - rest) / d, static_cast<double>(rest) / static_cast<double>(d)};
}

/// A place that has been rounded. What is a few roundings off a whole number is that number.
SourcePoint rounded(double place) {
  place = std::min(place, 0x1p62);  // of a tiny scale
  const double whole = std::round(place);
  const double below = std::abs(place - whole) <= std::abs(whole) * 0x1p-50 ? whole : std::floor(place);
  return {static_cast<std::int64_t>(below), std::max(0.0, place - below)};
}

bool has_scale(const Axis& a) { return !a.align_corners && a.scale && *a.scale > 0; }

/// Where the center of resampled element i lies, from that of element 0 on. Sizes are below 2^31, so nothing overflows.
SourcePoint center_of(const Axis& a, std::int64_t i) {
  if (a.align_corners) {
    return a.resampled > 1 ? quotient(i * (a.size - 1), a.resampled - 1) : SourcePoint{0, 0};
  }
  if (has_scale(a)) {
    return rounded((static_cast<double>(i) + 0.5) / *a.scale - 0.5);
  }
  return quotient((2 * i + 1) * a.size - a.resampled, 2 * a.resampled);
}

template <class T>
Few<T> nearest(const Axis& a, std::int64_t i) {
  const SourcePoint start =
      has_scale(a) ? rounded(static_cast<double>(i) / *a.scale) : quotient(i * a.size, a.resampled);
  return {std::min(start.below, a.size - 1), {T{1}}};
}

template <class T>
Few<T> linear(const Axis& a, std::int64_t i) {
  const SourcePoint center = center_of(a, i);
  if (center.below < 0) {
    return {0, {T{1}}};
  }
  if (center.below + 1 < a.size) {
    const auto above = static_cast<T>(center.beyond);
    return {center.below, {T{1} - above, above}};
  }
  return {a.size - 1, {T{1}}};
}

template <class T>
Few<T> cubic(const Axis& a, std::int64_t i) {
  constexpr T kA = T{-0.75};
  const SourcePoint center = center_of(a, i);
  const T t = static_cast<T>(center.beyond);
  const auto inner = [](T x) { return ((kA + 2) * x - (kA + 3)) * x * x + 1; };
  const auto outer = [](T x) { return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA; };
  const std::array<T, 4> weight = {outer(t + 1), inner(t), inner(1 - t), outer(2 - t)};
  Few<T> few;
  const std::int64_t start = center.below - 1;
  few.first = std::clamp<std::int64_t>(start, 0, std::max<std::int64_t>(0, a.size - 4));
  for (std::int64_t k = 0; k < 4; ++k) {  // beyond the border, the element there
    const std::int64_t at = std::clamp<std::int64_t>(start + k, 0, a.size - 1);
    few.weight[static_cast<std::size_t>(at - few.first)] += weight[static_cast<std::size_t>(k)];
  }
  return few;
}

template <class T>
std::vector<Few<T>> all_of(Filter filter, const Axis& a) {
  std::vector<Few<T>> all(static_cast<std::size_t>(a.resampled));
  for (std::int64_t i = 0; i < a.resampled; ++i) {
    Few<T>& few = all[static_cast<std::size_t>(i)];
    few = filter == Filter::Nearest ? nearest<T>(a, i) : filter == Filter::Linear ? linear<T>(a, i) : cubic<T>(a, i);
  }
  return all;
}

}  // namespace

template <class T>
Taps<T>::Taps(Filter filter, const Axis& axis, bool transposed) {
  const std::vector<Few<T>> all = all_of<T>(filter, axis);
  const std::int64_t from = transposed ? axis.resampled : axis.size;
  const std::int64_t to = transposed ? axis.size : axis.resampled;
  // Calls f(element of the result, element of x, weight).
  const auto for_each = [&](const auto& f) {
    for (std::int64_t i = 0; i < axis.resampled; ++i) {
      const Few<T>& few = all[static_cast<std::size_t>(i)];
      for (std::int64_t k = 0; k < 4; ++k) {
        if (const T w = few.weight[static_cast<std::size_t>(k)]; w != 0) {
          transposed ? f(few.first + k, i, w) : f(i, few.first + k, w);
        }
      }
    }
  };
  std::vector<std::int64_t> last(static_cast<std::size_t>(to), -1);
  first.assign(static_cast<std::size_t>(to), static_cast<Index>(from));
  for_each([&](std::int64_t y, std::int64_t x, T) {
    const auto i = static_cast<std::size_t>(y);
    first[i] = std::min(first[i], static_cast<Index>(x));
    last[i] = std::max(last[i], x);
  });
  for (std::size_t i = 0; i < last.size(); ++i) {
    width = std::max(width, last[i] - first[i] + 1);
  }
  for (Index& i : first) {
    i = static_cast<Index>(std::min<std::int64_t>(i, from - width));
  }
  weights.assign(static_cast<std::size_t>(width * to), T{0});
  for_each([&](std::int64_t y, std::int64_t x, T w) {
    weights[static_cast<std::size_t>((x - first[static_cast<std::size_t>(y)]) * to + y)] += w;
  });
  copies = width == 1 && std::all_of(weights.begin(), weights.end(), [](T w) { return w == 1; });
  identity = copies && to == from;
  pairs = width == 2;
  for (std::int64_t i = 1; pairs && i < to; ++i) {
    pairs = source(i) == source(i - 1) + 2;
  }
  for (std::int64_t i = 0; identity && i < to; ++i) {
    identity = source(i) == i;
  }
}

template struct Taps<float>;
template struct Taps<double>;

}  // namespace backflow::kernels
