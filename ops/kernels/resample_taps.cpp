// Which elements of a dimension, and how much of each, make one of the resampled dimension.
#include <backflow/ops/kernels/resample_taps.h>

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

/// The distance of the resampled elements, in elements. In the precision of T, as PyTorch.
template <class T>
T step_of(const Axis& a) {
  if (a.align_corners) {
    return a.resampled > 1 ? static_cast<T>(a.size - 1) / static_cast<T>(a.resampled - 1) : T{0};
  }
  return a.scale && *a.scale > 0 ? static_cast<T>(1 / *a.scale) : static_cast<T>(a.size) / static_cast<T>(a.resampled);
}

template <class T>
T place_of(const Axis& a, T step, std::int64_t i) {
  return a.align_corners ? step * static_cast<T>(i) : step * (static_cast<T>(i) + T{0.5}) - T{0.5};
}

/// Places are rounded to float32 whatever T is, as PyTorch's: what is just below a whole number is that number.
template <class T>
Few<T> nearest(const Axis& a, T step, std::int64_t i) {
  const auto below = static_cast<std::int64_t>(std::floor(static_cast<float>(static_cast<T>(i) * step)));
  return {std::min(below, a.size - 1), {T{1}}};
}

template <class T>
Few<T> linear(const Axis& a, T step, std::int64_t i) {
  const T place = std::max(T{0}, place_of(a, step, i));
  const std::int64_t below = std::min(static_cast<std::int64_t>(place), a.size - 1);
  const T above = std::min(std::max(place - static_cast<T>(below), T{0}), T{1});
  if (below + 1 < a.size) {
    return {below, {T{1} - above, above}};
  }
  return {below, {T{1}}};
}

template <class T>
Few<T> cubic(const Axis& a, T step, std::int64_t i) {
  constexpr T kA = T{-0.75};
  const T place = place_of(a, step, i);
  const T below = std::floor(place);
  const T t = place - below;
  const auto inner = [](T x) { return ((kA + 2) * x - (kA + 3)) * x * x + 1; };
  const auto outer = [](T x) { return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA; };
  const std::array<T, 4> weight = {outer(t + 1), inner(t), inner(1 - t), outer(2 - t)};
  Few<T> few;
  const auto start = static_cast<std::int64_t>(below) - 1;
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
  const T step = step_of<T>(a);
  for (std::int64_t i = 0; i < a.resampled; ++i) {
    Few<T>& few = all[static_cast<std::size_t>(i)];
    few = filter == Filter::Nearest  ? nearest(a, step, i)
          : filter == Filter::Linear ? linear(a, step, i)
                                     : cubic(a, step, i);
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
