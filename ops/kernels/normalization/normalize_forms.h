// How the loops of normalizations walk along blocks of channels; compiled once for each instruction set.
#if defined(BACKFLOW_NORMALIZE_FORMS_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_NORMALIZE_FORMS_TOGGLE
#undef BACKFLOW_NORMALIZE_FORMS_TOGGLE
#else
#define BACKFLOW_NORMALIZE_FORMS_TOGGLE
#endif

#include <type_traits>

#include <hwy/highway.h>
// After highway.h: they are compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/vector_math.h>
#include <backflow/ops/kernels/normalization/normalize_loops.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kUnrolled = 4;  // vectors at a time: their sums do not wait for each other

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

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
