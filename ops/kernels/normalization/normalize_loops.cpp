#include <backflow/ops/kernels/normalization/normalize_loops.h>

#include <algorithm>
#include <type_traits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/normalization/normalize_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/normalization/normalize_forms.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The sum of each channel.
template <class F, class T>
HWY_INLINE void sum_block(const T* x, const NormRun& run, T* sum) {
  const typename F::D d;
  if constexpr (kIsAny<F>) {
    std::fill_n(sum, run.block, T{0});
    walk_any<typename F::D>(run, [&](std::size_t at, std::size_t j, auto access) {
      access.store(d, hn::Add(access.load(d, sum + j), access.load(d, x + at)), sum + j);
    });
  } else {
    Accumulator<F> s;
    walk<F>(run, [&](std::size_t at, auto k, auto access) {
      s.sums[k] = hn::Add(s.sums[k], access.keep(d, access.load(d, x + at)));
    });
    s.put(sum);
  }
}

/// The sums of x - center and of its square.
template <class F, class T>
HWY_INLINE void sum_deviations(const T* x, const NormRun& run, const T* center, T* sum, T* squares) {
  const typename F::D d;
  if constexpr (kIsAny<F>) {
    std::fill_n(sum, run.block, T{0});
    std::fill_n(squares, run.block, T{0});
    walk_any<typename F::D>(run, [&](std::size_t at, std::size_t j, auto access) {
      const auto v = hn::Sub(access.load(d, x + at), access.load(d, center + j));
      access.store(d, hn::Add(access.load(d, sum + j), v), sum + j);
      access.store(d, hn::MulAdd(v, v, access.load(d, squares + j)), squares + j);
    });
  } else {
    const Channels<F> c(center);
    Accumulator<F> s;
    Accumulator<F> q;
    walk<F>(run, [&](std::size_t at, auto k, auto access) {
      const auto v = access.keep(d, hn::Sub(access.load(d, x + at), c.of[k]));
      s.sums[k] = hn::Add(s.sums[k], v);
      q.sums[k] = hn::MulAdd(v, v, q.sums[k]);
    });
    s.put(sum);
    q.put(squares);
  }
}

/// Mean and squared deviations in two walks over the run, which is in the L1 cache for the second one. Deviations from
/// the rounded mean do not sum to 0; their sum corrects both.
template <class T>
void moments(const T* x, const NormRun& run, double* mean, double* m2, T* scratch) {
  T* const center = scratch;
  T* const sum = scratch + run.block;
  T* const squares = sum + run.block;
  const double part = 1 / static_cast<double>(run.count());
  with_form<T>(run.block, [&](auto form) {
    using F = decltype(form);
    sum_block<F>(x, run, center);
    for (std::size_t j = 0; j < run.block; ++j) {
      center[j] *= static_cast<T>(part);
    }
    sum_deviations<F>(x, run, center, sum, squares);
  });
  for (std::size_t j = 0; j < run.block; ++j) {
    const double off = static_cast<double>(sum[j]);
    const double corrected = static_cast<double>(squares[j]) - off * off * part;
    mean[j] = static_cast<double>(center[j]) + off * part;
    m2[j] = corrected < 0 ? 0 : corrected;
  }
}

/// Numbers of type S or T as float64 vectors.
template <class D, class S>
HWY_INLINE auto load_wide(D d, const S* p) {
  if constexpr (std::is_same_v<S, double>) {
    return hn::LoadU(d, p);
  } else {
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<S, D>(), p));
  }
}
/// Rounds to T.
template <class T, class D, class V>
HWY_INLINE auto narrow(D, V v) {
  if constexpr (std::is_same_v<T, double>) {
    return v;
  } else {
    return hn::DemoteTo(hn::Rebind<T, D>(), v);
  }
}

/// The coefficients of the channels of one vector, from channel c on.
template <class D, class S, class T>
HWY_INLINE void coefficients_at(D d, std::size_t c, const S* mean, const S* variance, const NormParameters<T>& with,
                                const NormCoefficients<T>& to) {
  const hn::Rebind<T, D> narrow_tag;
  const auto one = hn::Set(d, 1.0);
  const auto own = load_wide(d, mean + c);
  const auto w = with.w == nullptr ? one : load_wide(d, with.w + c);
  const auto b = with.b == nullptr ? hn::Zero(d) : load_wide(d, with.b + c);
  const auto root = hn::Sqrt(hn::Add(load_wide(d, variance + c), hn::Set(d, with.eps)));
  const auto factor = hn::Mul(hn::Div(one, root), w);
  const auto m = narrow<T>(d, own);
  hn::StoreU(m, narrow_tag, to.m + c);
  hn::StoreU(narrow<T>(d, factor), narrow_tag, to.scale + c);
  const auto rest = hn::Sub(own, load_wide(d, to.m + c));
  hn::StoreU(narrow<T>(d, hn::Sub(b, hn::Mul(rest, factor))), narrow_tag, to.shift + c);
}

template <class S, class T>
void coefficients(const S* mean, const S* variance, const NormParameters<T>& with, std::size_t n,
                  const NormCoefficients<T>& to) {
  const hn::ScalableTag<double> d;
  std::size_t c = 0;
  for (; c + hn::Lanes(d) <= n; c += hn::Lanes(d)) {
    coefficients_at(d, c, mean, variance, with, to);
  }
  for (; c < n; ++c) {
    coefficients_at(hn::CappedTag<double, 1>(), c, mean, variance, with, to);
  }
}

/// Elements as they are.
template <class T>
struct Plain {
  const T* from;

  template <class D, class Access>
  HWY_INLINE auto load(D d, Access access, std::size_t at) const {
    return access.load(d, from + at);
  }
};

/// dz behind relu, which may be written.
template <class T, bool kWrites>
struct BehindRelu {
  NormGradient<T> gradient;

  template <class D, class Access>
  HWY_INLINE auto load(D d, Access access, std::size_t at) const {
    const auto dz = where_positive(d, access.load(d, gradient.dy + at), access.load(d, gradient.y + at));
    if constexpr (kWrites) {
      access.store(d, dz, gradient.dz + at);
    }
    return dz;
  }
};

/// Calls body with what loads dz.
template <class T, class Body>
HWY_INLINE void with_gradient(const NormGradient<T>& gradient, const Body& body) {
  if (gradient.y == nullptr) {
    body(Plain<T>{gradient.dy});
  } else if (gradient.dz == nullptr) {
    body(BehindRelu<T, false>{gradient});
  } else {
    body(BehindRelu<T, true>{gradient});
  }
}

/// The sums of dz and of dz (x - m).
template <class F, class From, class T>
HWY_INLINE void sum_products(const From& from, const T* x, const T* m, const NormRun& run, T* sum, T* product) {
  const typename F::D d;
  if constexpr (kIsAny<F>) {
    std::fill_n(sum, run.block, T{0});
    std::fill_n(product, run.block, T{0});
    walk_any<typename F::D>(run, [&](std::size_t at, std::size_t j, auto access) {
      const auto g = from.load(d, access, at);
      const auto v = hn::Sub(access.load(d, x + at), access.load(d, m + j));
      access.store(d, hn::Add(access.load(d, sum + j), g), sum + j);
      access.store(d, hn::MulAdd(g, v, access.load(d, product + j)), product + j);
    });
  } else {
    const Channels<F> c(m);
    Accumulator<F> all;
    Accumulator<F> products;
    walk<F>(run, [&](std::size_t at, auto k, auto access) {
      const auto g = access.keep(d, from.load(d, access, at));
      const auto v = access.keep(d, hn::Sub(access.load(d, x + at), c.of[k]));
      all.sums[k] = hn::Add(all.sums[k], g);
      products.sums[k] = hn::MulAdd(g, v, products.sums[k]);
    });
    all.put(sum);
    products.put(product);
  }
}

template <class T>
void sums(const NormGradient<T>& gradient, const T* x, const T* m, const NormRun& run, double* sum, double* product,
          T* scratch) {
  T* const s = scratch;
  T* const q = scratch + run.block;
  with_form<T>(run.block, [&](auto form) {
    using F = decltype(form);
    with_gradient(gradient, [&](const auto& from) { sum_products<F>(from, x, m, run, s, q); });
  });
  for (std::size_t j = 0; j < run.block; ++j) {
    sum[j] = static_cast<double>(s[j]);
    product[j] = static_cast<double>(q[j]);
  }
}

/// What becomes of z.
template <class T, bool kRelu, bool kAdds>
struct Result {
  NormResult<T> to;

  template <class D, class V, class Access>
  HWY_INLINE void store(D d, Access access, V z, std::size_t at) const {
    if constexpr (kAdds) {
      z = hn::Add(z, access.load(d, to.residual + at));
    }
    if constexpr (kRelu) {
      z = where_positive(d, z, z);
    }
    access.store(d, z, to.y + at);
  }
};

template <class T, class Body>
HWY_INLINE void with_result(const NormResult<T>& result, const Body& body) {
  if (!result.relu) {
    body(Result<T, false, false>{result});
  } else if (result.residual == nullptr) {
    body(Result<T, true, false>{result});
  } else {
    body(Result<T, true, true>{result});
  }
}

/// What becomes of z = (x - m) scale + shift.
template <class F, class From, class To, class T>
HWY_INLINE void affine_of(const From& x, const To& to, const T* m, const T* scale, const T* shift, const NormRun& run) {
  const typename F::D d;
  if constexpr (kIsAny<F>) {
    walk_any<typename F::D>(run, [&](std::size_t at, std::size_t j, auto access) {
      const auto v = hn::Sub(x.load(d, access, at), access.load(d, m + j));
      to.store(d, access, hn::MulAdd(v, access.load(d, scale + j), access.load(d, shift + j)), at);
    });
  } else {
    const Channels<F> mean(m);
    const Channels<F> factor(scale);
    const Channels<F> term(shift);
    walk<F>(run, [&](std::size_t at, auto k, auto access) {
      const auto v = hn::Sub(x.load(d, access, at), mean.of[k]);
      to.store(d, access, hn::MulAdd(v, factor.of[k], term.of[k]), at);
    });
  }
}

template <class T>
void affine(const T* x, const NormResult<T>& result, const T* m, const T* scale, const T* shift, const NormRun& run) {
  with_form<T>(run.block, [&](auto form) {
    using F = decltype(form);
    with_result(result, [&](const auto& to) { affine_of<F>(Plain<T>{x}, to, m, scale, shift, run); });
  });
}

template <class T>
void gradient(const T* dz, const T* x, T* dx, const T* m, const T* a, const T* k, const T* c, const NormRun& run) {
  with_form<T>(run.block, [&](auto form) {
    using F = decltype(form);
    const typename F::D d;
    if constexpr (kIsAny<F>) {
      walk_any<typename F::D>(run, [&](std::size_t at, std::size_t j, auto access) {
        const auto v = hn::Sub(access.load(d, x + at), access.load(d, m + j));
        const auto rest = hn::MulAdd(v, access.load(d, k + j), access.load(d, c + j));
        access.store(d, hn::MulAdd(access.load(d, dz + at), access.load(d, a + j), rest), dx + at);
      });
    } else {
      const Channels<F> mean(m);
      const Channels<F> of_dz(a);
      const Channels<F> of_x(k);
      const Channels<F> term(c);
      walk<F>(run, [&](std::size_t at, auto i, auto access) {
        const auto v = hn::Sub(access.load(d, x + at), mean.of[i]);
        const auto rest = hn::MulAdd(v, of_x.of[i], term.of[i]);
        access.store(d, hn::MulAdd(access.load(d, dz + at), of_dz.of[i], rest), dx + at);
      });
    }
  });
}

template <class T>
void scaled(const NormGradient<T>& gradient, T* dx, const T* a, const T* zeros, const NormRun& run) {
  with_form<T>(run.block, [&](auto form) {
    using F = decltype(form);
    with_gradient(gradient,
                  [&](const auto& from) { affine_of<F>(from, Result<T, false, false>{{dx}}, zeros, a, zeros, run); });
  });
}

template <class T>
const NormalizeLoops<T>* normalizations() {
  static constexpr NormalizeLoops<T> kLoops = {
      moments<T>, coefficients<double, T>, coefficients<T, T>, sums<T>, affine<T>, gradient<T>, scaled<T>};
  return &kLoops;
}

const NormalizeLoops<float>* f32_normalizations() { return normalizations<float>(); }
const NormalizeLoops<double>* f64_normalizations() { return normalizations<double>(); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(f32_normalizations);
HWY_EXPORT(f64_normalizations);

template <>
const NormalizeLoops<float>& normalize_loops<float>() {
  return *HWY_DYNAMIC_DISPATCH(f32_normalizations)();
}
template <>
const NormalizeLoops<double>& normalize_loops<double>() {
  return *HWY_DYNAMIC_DISPATCH(f64_normalizations)();
}

}  // namespace backflow::kernels
#endif
