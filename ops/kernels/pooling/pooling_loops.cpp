#include <backflow/ops/kernels/pooling/pooling_loops.h>

#include <algorithm>
#include <limits>
#include <type_traits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/pooling/pooling_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/pooling/pooling_divisor.h>
#include <backflow/ops/kernels/pooling/pooling_windows.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The largest of the vectors that are added, and perhaps the number of each lane's: that of the last NaN, or else of
/// the first.
template <class D, bool kChoice>
struct Largest {
  using T = hn::TFromD<D>;
  using Numbers = hn::RebindToUnsigned<D>;
  using Choice = hn::TFromD<Numbers>;

  D d;
  hn::Vec<D> best = hn::Set(d, -std::numeric_limits<T>::infinity());
  hn::Vec<Numbers> choice;

  struct State {
    HWY_INLINE void set(const PoolTables&, const WindowPlace&) {}
  };

  HWY_INLINE Largest(const PoolTables& p, const WindowPlace& at, const State&) {
    const std::int64_t first = (at.d.lo * p.kernels[1] + at.h.lo) * p.kernels[2] + at.w.lo;
    choice = hn::Set(Numbers(), static_cast<Choice>(first));
  }
  HWY_INLINE void add(hn::Vec<D> v, std::int64_t number) {
    const auto wins = hn::Or(hn::Gt(v, best), hn::IsNaN(v));
    best = hn::IfThenElse(wins, v, best);
    if constexpr (kChoice) {
      const Numbers n;
      choice = hn::IfThenElse(hn::RebindMask(n, wins), hn::Set(n, static_cast<Choice>(number)), choice);
    }
  }
  HWY_INLINE hn::Vec<D> result() const { return best; }
  /// The first `count` choices, at element `at` of `to`.
  HWY_INLINE void store_choice(const PoolTables& p, void* to, std::int64_t at, std::size_t count) const {
    if constexpr (!kChoice) {
      return;
    }
    const Numbers n;
    if (!p.wide_choice && hn::MaxLanes(d) > 1 && count == hn::Lanes(d)) {
      const hn::Rebind<std::uint8_t, Numbers> bytes;
      hn::StoreU(hn::TruncateTo(bytes, choice), bytes, static_cast<std::uint8_t*>(to) + at);
      return;
    }
    alignas(64) Choice lanes[hn::MaxLanes(n)];
    hn::Store(choice, n, lanes);
    for (std::size_t i = 0; i < count; ++i) {
      if (p.wide_choice) {
        static_cast<std::int32_t*>(to)[at + static_cast<std::int64_t>(i)] = static_cast<std::int32_t>(lanes[i]);
      } else {
        static_cast<std::uint8_t*>(to)[at + static_cast<std::int64_t>(i)] = static_cast<std::uint8_t>(lanes[i]);
      }
    }
  }
};

/// The average of the vectors that are added.
template <class D>
struct Average {
  using T = hn::TFromD<D>;

  using State = Divisor<T>;

  D d;
  hn::Vec<D> total = hn::Zero(d);
  const State& divisor;
  bool empty;

  HWY_INLINE Average(const PoolTables&, const WindowPlace& at, const State& state)
      : divisor(state), empty(at.empty()) {}
  HWY_INLINE void add(hn::Vec<D> v, std::int64_t) { total = hn::Add(total, v); }
  HWY_INLINE hn::Vec<D> result() const { return empty ? total : divisor.divide(d, total); }
  HWY_INLINE void store_choice(const PoolTables&, void*, std::int64_t, std::size_t) const {}
};

/// One vector of results: `load(position)` gives the elements at a position of the input, `store(fold)` takes them.
template <class Fold, class Window, class Load, class Store>
HWY_INLINE void fold_window(const PoolTables& p, const WindowPlace& at, const Window& window,
                            typename Fold::State& state, const Load& load, const Store& store) {
  state.set(p, at);
  Fold fold(p, at, state);
  window.each([&](std::int64_t position, std::int64_t number) POOL_INLINE { fold.add(load(position), number); });
  store(fold);
}

/// Channels of a block.
template <template <class> class Fold, class T>
HWY_INLINE void fold_channels(const PoolTables& p, const PoolPart& part, const T* x, T* y, void* choice,
                              std::size_t lanes) {
  const hn::ScalableTag<T> d;
  using F = Fold<std::remove_cv_t<decltype(d)>>;
  typename F::State state;
  for_each_output_row(p, part, [&](const WindowPlace& first, std::int64_t row) POOL_INLINE {
    for_each_vector(d, lanes, [&](std::size_t c, const auto& load, const auto& store, std::size_t count) POOL_INLINE {
      for_each_in_row(p, first, row, [&](const WindowPlace& at, std::int64_t o, const auto& window) POOL_INLINE {
        const std::int64_t to = o * p.block + static_cast<std::int64_t>(c);
        fold_window<F>(
            p, at, window, state, [&](std::int64_t i) POOL_INLINE { return load(x + i + c); },
            [&](const F& fold) POOL_INLINE {
              store(fold.result(), y + to);
              fold.store_choice(p, choice, to, count);
            });
      });
    });
  });
}

/// Neighbours along the width, of windows that are apart by kStride.
template <int kStride, class D, class T>
HWY_INLINE auto load_neighbours(D d, const T* x) {
  if constexpr (kStride == 1) {
    return hn::LoadU(d, x);
  } else {
    hn::Vec<D> even;
    hn::Vec<D> odd;
    hn::LoadInterleaved2(d, x, even, odd);
    return even;
  }
}

/// Outputs of a row whose windows are whole, by vectors, the last of which may overlap the one before; squares of
/// kSize, 0: windows of any size. Returns the first output that is not done: the first whole one, or that behind the
/// last.
template <int kStride, int kSize, template <class> class Fold, class T>
HWY_INLINE std::int64_t fold_neighbours(const PoolTables& p, const WindowPlace& first, const T* x, const T* x_end, T* y,
                                        void* choice, std::int64_t row) {
  const RowTag<T> d;
  using F = Fold<std::remove_cv_t<decltype(d)>>;
  typename F::State state;
  const auto n = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t o = p.whole_from;
  while (o < p.whole_to && p.whole_to - p.whole_from >= n) {
    o = std::min(o, p.whole_to - n);
    const WindowPlace at = first.with(p.windows[2][o]);
    const std::int64_t last = at.row + (at.d.hi - 1) * p.steps[0] + (at.h.hi - 1) * p.steps[1] + at.w.first +
                              (at.w.hi - 1) * p.steps[2] + kStride * n;  // beyond what the last load reads
    if (last > x_end - x) {
      return o;
    }
    const auto fold = [&](const auto& window) POOL_INLINE {
      fold_window<F>(
          p, at, window, state, [&](std::int64_t i) POOL_INLINE { return load_neighbours<kStride>(d, x + i); },
          [&](const F& result) POOL_INLINE {
            hn::StoreU(result.result(), d, y + row + o);
            result.store_choice(p, choice, row + o, hn::Lanes(d));
          });
    };
    if constexpr (kSize == 0) {
      fold(AnyWindow{p, at});
    } else {
      fold(SquareWindow<kSize>{at.row + at.w.first, p.steps[1], p.steps[2]});
    }
    o += n;
  }
  return o;
}
template <int kStride, template <class> class Fold, class T>
HWY_INLINE std::int64_t fold_neighbours(const PoolTables& p, const WindowPlace& first, const T* x, const T* x_end, T* y,
                                        void* choice, std::int64_t row) {
  switch (square_of(p, first)) {
    case 2:
      return fold_neighbours<kStride, 2, Fold>(p, first, x, x_end, y, choice, row);
    case 3:
      return fold_neighbours<kStride, 3, Fold>(p, first, x, x_end, y, choice, row);
    default:
      return fold_neighbours<kStride, 0, Fold>(p, first, x, x_end, y, choice, row);
  }
}

/// A row-major plane.
template <template <class> class Fold, class T>
HWY_INLINE void fold_plane(const PoolTables& p, const PoolPart& part, const T* x, const T* x_end, T* y, void* choice) {
  const OneTag<T> d;
  using F = Fold<std::remove_cv_t<decltype(d)>>;
  typename F::State state;
  for_each_output_row(p, part, [&](const WindowPlace& first, std::int64_t row) POOL_INLINE {
    const auto one = [&](const WindowPlace& at, std::int64_t o, const AnyWindow& window) POOL_INLINE {
      fold_window<F>(
          p, at, window, state, [&](std::int64_t i) POOL_INLINE { return hn::LoadU(d, x + i); },
          [&](const F& fold) POOL_INLINE {
            hn::StoreU(fold.result(), d, y + o);
            fold.store_choice(p, choice, o, 1);
          });
    };
    std::int64_t done = 0;
    if (p.strides[2] == 1 || p.strides[2] == 2) {
      for_each_of_row(p, first, row, 0, p.whole_from, one);
      done = p.strides[2] == 1 ? fold_neighbours<1, Fold>(p, first, x, x_end, y, choice, row)
                               : fold_neighbours<2, Fold>(p, first, x, x_end, y, choice, row);
    }
    for_each_of_row(p, first, row, done, p.outputs[2], one);
  });
}

template <class D>
using LargestOnly = Largest<D, false>;
template <class D>
using LargestAndChoice = Largest<D, true>;

template <template <class> class Fold, class T>
void fold_all(const PoolTables& p, const PoolPart& part, const T* x, const T* x_end, T* y, void* choice,
              std::size_t lanes) {
  if (p.block == 1) {
    fold_plane<Fold>(p, part, x, x_end, y, choice);
  } else {
    fold_channels<Fold>(p, part, x, y, choice, lanes);
  }
}

template <class T>
void max(const PoolTables& p, const PoolPart& part, const T* x, const T* x_end, T* y, void* choice, std::size_t lanes) {
  if (choice != nullptr) {
    fold_all<LargestAndChoice>(p, part, x, x_end, y, choice, lanes);
  } else {
    fold_all<LargestOnly>(p, part, x, x_end, y, choice, lanes);
  }
}

template <class T>
void average(const PoolTables& p, const PoolPart& part, const T* x, const T* x_end, T* y, std::size_t lanes) {
  fold_all<Average>(p, part, x, x_end, y, nullptr, lanes);
}

const PoolLoops<float>* float_pool_loops() {
  static constexpr PoolLoops<float> kLoops = {max<float>, average<float>};
  return &kLoops;
}
const PoolLoops<double>* double_pool_loops() {
  static constexpr PoolLoops<double> kLoops = {max<double>, average<double>};
  return &kLoops;
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_pool_loops);
HWY_EXPORT(double_pool_loops);

template <>
const PoolLoops<float>& pool_loops<float>() {
  return *HWY_DYNAMIC_DISPATCH(float_pool_loops)();
}
template <>
const PoolLoops<double>& pool_loops<double>() {
  return *HWY_DYNAMIC_DISPATCH(double_pool_loops)();
}

}  // namespace backflow::kernels
#endif
