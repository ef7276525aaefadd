#include <backflow/ops/kernels/normalize_loops.h>

#include <algorithm>
#include <type_traits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/normalize_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/vector_math_internal.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kUnrolled = 4;  // vectors that are under way at a time

/// Blocks of kVectors vectors; or, for kIsRow, single channels, whose positions fill the vectors.
template <class Tag, std::size_t kVectors_, bool kIsRow_>
struct Form {
  using D = Tag;
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  static constexpr std::size_t kVectors = kVectors_;
  static constexpr bool kIsRow = kIsRow_;

  /// The vector of channels that the k-th of the vectors under way belongs to.
  static HWY_INLINE V channels(const T* p, std::size_t k) {
    const D d;
    if constexpr (kIsRow) {
      return hn::Set(d, *p);
    } else {
      return hn::LoadU(d, p + k % kVectors * hn::Lanes(d));
    }
  }
};

struct Whole {
  template <class D, class T>
  HWY_INLINE auto load(D d, const T* p) const {
    return hn::LoadU(d, p);
  }
  template <class D, class V, class T>
  HWY_INLINE void store(D d, V v, T* p) const {
    hn::StoreU(v, d, p);
  }
  template <class D, class V>
  HWY_INLINE V keep(D, V v) const {
    return v;
  }
};

/// The end of a row, as a vector whose other lanes are not to count.
struct Part {
  std::size_t left;

  template <class D, class T>
  HWY_INLINE auto load(D d, const T* p) const {
    return load_part(d, p, left);
  }
  template <class D, class V, class T>
  HWY_INLINE void store(D d, V v, T* p) const {
    store_part(v, d, p, left);
  }
  template <class D, class V>
  HWY_INLINE V keep(D d, V v) const {
    return hn::IfThenElseZero(hn::FirstN(d, left), v);
  }
};

template <std::size_t kK>
using Index = std::integral_constant<std::size_t, kK>;

/// Calls f(offset, which of the vectors under way, how to load and store) for all vectors of the run.
template <class F, class Body>
HWY_INLINE void walk(const NormRun& run, const Body& f) {
  const typename F::D d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t n = run.positions * run.block;
  for (std::size_t sample = 0; sample < run.samples; ++sample) {
    const std::size_t at = sample * run.stride;
    std::size_t i = 0;
    for (; i + kUnrolled * lanes <= n; i += kUnrolled * lanes) {
      f(at + i, Index<0>(), Whole());
      f(at + i + lanes, Index<1>(), Whole());
      f(at + i + 2 * lanes, Index<2>(), Whole());
      f(at + i + 3 * lanes, Index<3>(), Whole());
    }
    for (; i + F::kVectors * lanes <= n; i += F::kVectors * lanes) {
      f(at + i, Index<0>(), Whole());
      if constexpr (F::kVectors > 1) {
        f(at + i + lanes, Index<1>(), Whole());
      }
    }
    if (F::kIsRow && i < n) {
      f(at + i, Index<0>(), Part{n - i});
    }
  }
}

/// Sums of what is under way, given to channels.
template <class F>
struct Accumulator {
  typename F::V sums[kUnrolled];

  HWY_INLINE Accumulator() {
    for (auto& s : sums) {
      s = hn::Zero(typename F::D());
    }
  }
  HWY_INLINE void put(typename F::T* to) {
    const typename F::D d;
    if constexpr (F::kVectors <= 2) {
      sums[0] = hn::Add(sums[0], sums[2]);
      sums[1] = hn::Add(sums[1], sums[3]);
    }
    if constexpr (F::kVectors == 1) {
      sums[0] = hn::Add(sums[0], sums[1]);
    }
    if constexpr (F::kIsRow) {
      *to = hn::GetLane(hn::SumOfLanes(d, sums[0]));
    } else {
      for (std::size_t k = 0; k < F::kVectors; ++k) {
        hn::StoreU(sums[k], d, to + k * hn::Lanes(d));
      }
    }
  }
};

/// Of the channels of a block: the vectors that the vectors under way belong to.
template <class F>
struct Channels {
  typename F::V of[kUnrolled];

  HWY_INLINE explicit Channels(const typename F::T* p) {
    for (std::size_t k = 0; k < kUnrolled; ++k) {
      of[k] = F::channels(p, k);
    }
  }
};

/// Blocks of any size: vectors along the channels, sums in memory.
template <class Tag>
struct AnyForm {
  using D = Tag;
  using T = hn::TFromD<D>;
};

/// Calls f(offset, first channel, how to load and store).
template <class D, class Body>
HWY_INLINE void walk_any(const NormRun& run, const Body& f) {
  const std::size_t lanes = hn::Lanes(D());
  for (std::size_t sample = 0; sample < run.samples; ++sample) {
    for (std::size_t p = 0; p < run.positions; ++p) {
      const std::size_t at = sample * run.stride + p * run.block;
      std::size_t j = 0;
      for (; j + lanes <= run.block; j += lanes) {
        f(at + j, j, Whole());
      }
      if (j < run.block) {
        f(at + j, j, Part{run.block - j});
      }
    }
  }
}

/// Calls body with the form that blocks of this size have.
template <class T, class Body>
HWY_INLINE void with_form(std::size_t block, const Body& body) {
  using D = hn::ScalableTag<T>;
  const std::size_t lanes = hn::Lanes(D());
  if (block == 1) {
    body(Form<D, 1, true>());
  } else if (block == lanes) {
    body(Form<D, 1, false>());
  } else if (block == 2 * lanes) {
    body(Form<D, 2, false>());
  } else if (block == 4 * lanes) {
    body(Form<D, 4, false>());
  } else if (block == 8 && hn::Lanes(hn::CappedTag<T, 8>()) == 8) {
    body(Form<hn::CappedTag<T, 8>, 1, false>());
  } else {
    body(AnyForm<D>());
  }
}

template <class>
inline constexpr bool kIsAny = false;
template <class D>
inline constexpr bool kIsAny<AnyForm<D>> = true;

/// The sums over x - center and over its square, with no center: the sums of x alone.
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

template <class T>
void sums(const T* dy, const T* x, const T* m, const NormRun& run, double* sum, double* product, T* scratch) {
  T* const s = scratch;
  T* const q = scratch + run.block;
  with_form<T>(run.block, [&](auto form) {
    using F = decltype(form);
    const typename F::D d;
    if constexpr (kIsAny<F>) {
      std::fill_n(scratch, 2 * run.block, T{0});
      walk_any<typename F::D>(run, [&](std::size_t at, std::size_t j, auto access) {
        const auto g = access.load(d, dy + at);
        const auto v = hn::Sub(access.load(d, x + at), access.load(d, m + j));
        access.store(d, hn::Add(access.load(d, s + j), g), s + j);
        access.store(d, hn::MulAdd(g, v, access.load(d, q + j)), q + j);
      });
    } else {
      const Channels<F> c(m);
      Accumulator<F> all;
      Accumulator<F> products;
      walk<F>(run, [&](std::size_t at, auto k, auto access) {
        const auto g = access.keep(d, access.load(d, dy + at));
        const auto v = access.keep(d, hn::Sub(access.load(d, x + at), c.of[k]));
        all.sums[k] = hn::Add(all.sums[k], g);
        products.sums[k] = hn::MulAdd(g, v, products.sums[k]);
      });
      all.put(s);
      products.put(q);
    }
  });
  for (std::size_t j = 0; j < run.block; ++j) {
    sum[j] = static_cast<double>(s[j]);
    product[j] = static_cast<double>(q[j]);
  }
}

template <class T>
void affine(const T* x, T* y, const T* m, const T* scale, const T* shift, const NormRun& run) {
  with_form<T>(run.block, [&](auto form) {
    using F = decltype(form);
    const typename F::D d;
    if constexpr (kIsAny<F>) {
      walk_any<typename F::D>(run, [&](std::size_t at, std::size_t j, auto access) {
        const auto v = hn::Sub(access.load(d, x + at), access.load(d, m + j));
        access.store(d, hn::MulAdd(v, access.load(d, scale + j), access.load(d, shift + j)), y + at);
      });
    } else {
      const Channels<F> mean(m);
      const Channels<F> factor(scale);
      const Channels<F> term(shift);
      walk<F>(run, [&](std::size_t at, auto k, auto access) {
        const auto v = hn::Sub(access.load(d, x + at), mean.of[k]);
        access.store(d, hn::MulAdd(v, factor.of[k], term.of[k]), y + at);
      });
    }
  });
}

template <class T>
void gradient(const T* dy, const T* x, T* dx, const T* m, const T* a, const T* k, const T* c, const NormRun& run) {
  with_form<T>(run.block, [&](auto form) {
    using F = decltype(form);
    const typename F::D d;
    if constexpr (kIsAny<F>) {
      walk_any<typename F::D>(run, [&](std::size_t at, std::size_t j, auto access) {
        const auto v = hn::Sub(access.load(d, x + at), access.load(d, m + j));
        const auto rest = hn::MulAdd(v, access.load(d, k + j), access.load(d, c + j));
        access.store(d, hn::MulAdd(access.load(d, dy + at), access.load(d, a + j), rest), dx + at);
      });
    } else {
      const Channels<F> mean(m);
      const Channels<F> of_dy(a);
      const Channels<F> of_x(k);
      const Channels<F> term(c);
      walk<F>(run, [&](std::size_t at, auto i, auto access) {
        const auto v = hn::Sub(access.load(d, x + at), mean.of[i]);
        const auto rest = hn::MulAdd(v, of_x.of[i], term.of[i]);
        access.store(d, hn::MulAdd(access.load(d, dy + at), of_dy.of[i], rest), dx + at);
      });
    }
  });
}

template <class T>
const NormalizeLoops<T>* normalizations() {
  static constexpr NormalizeLoops<T> kLoops = {moments<T>, sums<T>, affine<T>, gradient<T>};
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
