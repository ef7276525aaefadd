#include <backflow/ops/reductions/magnitudes_internal.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace backflow::detail {
namespace {

template <class T>
bool all_within(const T* x, std::int64_t n, T least, T most) {
  bool all = true;
  for (std::int64_t i = 0; i < n; ++i) {
    const T v = std::abs(x[i]);
    all &= static_cast<int>(v >= least) & static_cast<int>(v <= most);
  }
  return all;
}

template <class T>
bool all_factors(const T* x, std::int64_t n, T least, T most) {
  bool all = true;
  for (std::int64_t i = 0; i < n; ++i) {
    const T v = std::abs(x[i]);
    all &= (static_cast<int>(v >= least) & static_cast<int>(v <= most)) | static_cast<int>(v == 0);
  }
  return all;
}

/// f(elements, number of them), converted to float32 or float64 where they are not of these, or lie apart.
template <class F>
auto with_elements(const Tensor& x, const F& f) {
  const auto run = [&](const Tensor& line) {
    return dispatch_floating(line.scalar_type(), "magnitudes", [&](auto zero) {
      using T = decltype(zero);
      return f(line.const_data_ptr<T>(), line.numel());
    });
  };
  const ScalarType dtype = computed(x.scalar_type());
  return x.scalar_type() == dtype && x.is_contiguous() ? run(x) : run(dense(x, dtype));
}

/// The largest |x|, or the smallest, over the marked dimensions, each replaced by f of it.
template <class F>
Tensor of_extent(const Tensor& x, const DimVector& flags, Fold fold_, const F& f) {
  Tensor y = fold(fold_, Map::Abs, x, flags, KeepDim::Yes, computed(x.scalar_type()));
  dispatch_floating(y.scalar_type(), "magnitudes", [&](auto zero) {
    using T = decltype(zero);
    T* const numbers = y.mutable_data_ptr<T>();
    std::transform(numbers, numbers + y.numel(), numbers, f);
  });
  return y;
}

template <class T>
bool is_positive(T x) {
  return x > 0 && std::isfinite(x);
}

}  // namespace

const Limits& limits_of(ScalarType dtype) {
  // A term that underflows in a sum of more than 2^26 times (2^70 times) the smallest normal number does not count.
  static constexpr Limits kSingle = {std::numeric_limits<float>::max(),
                                     {0x1p-100, std::numeric_limits<float>::max()},
                                     {0x1p-63, 0x1p63},
                                     {0x1p-80, 0x1p80},
                                     {0x1p-40, 0x1p40}};
  static constexpr Limits kDouble = {std::numeric_limits<double>::max(),
                                     {0x1p-952, std::numeric_limits<double>::max()},
                                     {0x1p-511, 0x1p511},
                                     {0x1p-660, 0x1p660},
                                     {0x1p-330, 0x1p330}};
  return computed(dtype) == kFloat64 ? kDouble : kSingle;
}

bool all_within(const Tensor& x, Magnitudes bounds) {
  if (x.numel() == 1 && x.scalar_type() == kFloat32) {  // without a loop: the result of a small reduction
    const double v = std::abs(static_cast<double>(*x.const_data_ptr<float>()));
    return v >= bounds.least && v <= bounds.most;
  }
  return with_elements(x, [&]<class T>(const T* data, std::int64_t n) {
    return all_within(data, n, static_cast<T>(bounds.least), static_cast<T>(bounds.most));
  });
}

bool are_factors(const Tensor& x) {
  const Magnitudes bounds = limits_of(x.scalar_type()).factors;
  return with_elements(x, [&]<class T>(const T* data, std::int64_t n) {
    return all_factors(data, n, static_cast<T>(bounds.least), static_cast<T>(bounds.most));
  });
}

bool is_usable(const Tensor& variance, double eps, ScalarType dtype) {
  const auto [least, most] = limits_of(dtype).variance;
  return all_within(variance, {eps >= least ? 0 : least, most});
}

bool is_usable_rstd(const Tensor& r, ScalarType dtype) { return all_within(r, limits_of(dtype).rstd); }

Tensor where_within(const Tensor& x, Magnitudes bounds) {
  Tensor y = empty_tensor(x.sizes(), kBool);
  with_elements(x, [&]<class T>(const T* data, std::int64_t n) {
    bool* const to = y.mutable_data_ptr<bool>();
    for (std::int64_t i = 0; i < n; ++i) {
      to[i] = all_within(data + i, 1, static_cast<T>(bounds.least), static_cast<T>(bounds.most));
    }
    return n;
  });
  return y;
}

bool is_any_lost(const Tensor& kept, const Tensor& x, const DimVector& flags) {
  const Tensor largest = fold(Fold::Max, Map::Abs, x, flags, KeepDim::Yes, computed(x.scalar_type()));
  const bool* const is_kept = kept.const_data_ptr<bool>();
  return with_elements(largest, [&](const auto* data, std::int64_t n) {
    bool lost = false;
    for (std::int64_t i = 0; i < n; ++i) {
      lost |= !is_kept[i] && is_positive(data[i]);
    }
    return lost;
  });
}

Tensor extent_of(const Tensor& x, const DimVector& flags, Fold f) {
  return of_extent(x, flags, f, [](auto m) { return is_positive(m) ? m : decltype(m){1}; });
}

Tensor unit_of(const Tensor& x, const DimVector& flags, double at_least) {
  return converted(of_extent(x, flags, Fold::Max,
                             [&](auto m) {
                               using T = decltype(m);
                               const T largest = m < static_cast<T>(at_least) ? static_cast<T>(at_least) : m;
                               return is_positive(largest) ? std::ldexp(T{1}, std::ilogb(largest)) : T{1};
                             }),
                   x.scalar_type());
}

DimVector dims_of(const DimVector& flags) {
  DimVector dims;
  for (std::size_t d = 0; d < flags.size(); ++d) {
    if (flags[d] != 0) {
      dims.push_back(static_cast<std::int64_t>(d));
    }
  }
  return dims;
}

}  // namespace backflow::detail
