#include <backflow/ops/kernels/pooling_loops.h>

#include <algorithm>
#include <limits>
#include <type_traits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/pooling_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/vector_math_internal.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Of lambdas: without it the innermost ones stay calls.
#undef POOL_INLINE
#define POOL_INLINE __attribute__((always_inline))

/// Lanes of float32 or float64 that make one vector along a row.
template <class T>
using RowTag = hn::CappedTag<T, 8>;
template <class T>
using OneTag = hn::CappedTag<T, 1>;

/// The windows of one output, and where the first element of it would lie, inside of the input or not.
struct Place {
  const PoolWindow& d;
  const PoolWindow& h;
  const PoolWindow& w;
  std::int64_t row;   ///< of the first element of the first row
  std::int64_t area;  ///< elements that an average counts along depth and height

  bool empty() const { return d.empty() || h.empty() || w.empty(); }
  std::int64_t counted() const { return area * w.counted; }
  HWY_INLINE Place with(const PoolWindow& other) const { return {d, h, other, row, area}; }
};

/// Calls f(position in the plane, number in the window) for the elements of a window in their order.
struct AnyWindow {
  const PoolTables& p;
  const Place& at;

  template <class F>
  HWY_INLINE void each(const F& f) const {
    const std::int64_t width = at.w.hi - at.w.lo;
    const std::int64_t step = p.steps[2];
    std::int64_t plane = at.row + at.w.first * p.block + at.d.lo * p.steps[0] + at.h.lo * p.steps[1] + at.w.lo * step;
    std::int64_t numbers = (at.d.lo * p.kernels[1] + at.h.lo) * p.kernels[2] + at.w.lo;
    for (std::int64_t i = at.d.lo; i < at.d.hi; ++i) {
      std::int64_t row = plane;
      std::int64_t number = numbers;
      for (std::int64_t j = at.h.lo; j < at.h.hi; ++j) {
        for (std::int64_t k = 0; k < width; ++k) {
          f(row + k * step, number + k);
        }
        row += p.steps[1];
        number += p.kernels[2];
      }
      plane += p.steps[0];
      numbers += p.kernels[1] * p.kernels[2];
    }
  }
};

/// The same for a window of kSize x kSize elements that lies inside of the input as a whole.
template <int kSize>
struct Square {
  std::int64_t position;  ///< of the first element
  std::int64_t row;       ///< from one row to the next
  std::int64_t step;

  template <class F>
  HWY_INLINE void each(const F& f) const {
    static_assert(kSize == 2 || kSize == 3);
    each_of_row(position, 0, f);
    each_of_row(position + row, kSize, f);
    if constexpr (kSize == 3) {
      each_of_row(position + 2 * row, 2 * kSize, f);
    }
  }

 private:
  template <class F>
  HWY_INLINE void each_of_row(std::int64_t at, std::int64_t number, const F& f) const {
    f(at, number);
    f(at + step, number + 1);
    if constexpr (kSize == 3) {
      f(at + 2 * step, number + 2);
    }
  }
};

/// Calls f(place with the first window of the width, number of the first output) for each row of outputs.
template <class F>
HWY_INLINE void for_each_output_row(const PoolTables& p, const F& f) {
  std::int64_t o = 0;
  for (std::int64_t i = 0; i < p.outputs[0]; ++i) {
    for (std::int64_t j = 0; j < p.outputs[1]; ++j, o += p.outputs[2]) {
      const PoolWindow& d = p.windows[0][i];
      const PoolWindow& h = p.windows[1][j];
      f(Place{d, h, *p.windows[2], (d.first * p.sizes[1] + h.first) * p.sizes[2] * p.block,
              static_cast<std::int64_t>(d.counted) * h.counted},
        o);
    }
  }
}

/// Calls f(place, number of the output, window) for all outputs of a row with these windows.
template <class F>
HWY_INLINE void for_each_of_row(const PoolTables& p, const Place& first, std::int64_t o, std::int64_t from,
                                std::int64_t to, const F& f) {
  for (std::int64_t k = from; k < to; ++k) {
    const Place at = first.with(p.windows[2][k]);
    f(at, o + k, AnyWindow{p, at});
  }
}
template <int kSize, class F>
HWY_INLINE void for_each_square(const PoolTables& p, const Place& first, std::int64_t o, const F& f) {
  const Place at = first.with(p.windows[2][p.whole_from]);
  Square<kSize> window{at.row + at.w.first * p.block, p.steps[1], p.steps[2]};
  for (std::int64_t k = p.whole_from; k < p.whole_to; ++k, window.position += p.stride * p.block) {
    f(at, o + k, window);
  }
}

/// Calls f(place, number of the output, window) for all outputs of a row, whose first is number o.
template <class F>
HWY_INLINE void for_each_in_row(const PoolTables& p, const Place& first, std::int64_t o, const F& f) {
  const std::int64_t size = p.kernels[0] == 1 && p.kernels[1] == p.kernels[2] && p.stride != 0 ? p.kernels[1] : 0;
  const bool is_square = (size == 2 || size == 3) && first.h.hi - first.h.lo == size && !first.d.empty();
  const std::int64_t from = is_square ? p.whole_from : p.outputs[2];
  for_each_of_row(p, first, o, 0, from, f);
  if (!is_square) {
    return;
  }
  if (size == 2) {
    for_each_square<2>(p, first, o, f);
  } else {
    for_each_square<3>(p, first, o, f);
  }
  for_each_of_row(p, first, o, p.whole_to, p.outputs[2], f);
}

/// Division by the number of elements of a window: a multiplication by the inverse, and a correction that makes it the
/// rounded quotient.
template <class T>
class Divisor {
 public:
  HWY_INLINE void set(const PoolTables& p, const Place& at) {
    const std::int64_t count = p.divisor != 0 ? p.divisor : at.counted();
    if (count != count_) {
      count_ = count;
      value_ = static_cast<T>(count);
      inverse_ = T{1} / value_;
      is_exact_ = (count & (count - 1)) == 0;
    }
  }
  template <class D>
  HWY_INLINE hn::Vec<D> divide(D d, hn::Vec<D> sum) const {
    const auto inverse = hn::Set(d, inverse_);
    const auto near = hn::Mul(sum, inverse);
    if (is_exact_) {
      return near;
    }
    const auto rest = hn::NegMulAdd(near, hn::Set(d, value_), sum);
    const auto exact = hn::MulAdd(rest, inverse, near);
    return hn::IfThenElse(hn::IsNaN(exact), near, exact);  // of an infinite sum the rest is NaN
  }

 private:
  std::int64_t count_ = 1;
  T value_ = 1;
  T inverse_ = 1;
  bool is_exact_ = true;
};

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
    HWY_INLINE void set(const PoolTables&, const Place&) {}
  };

  HWY_INLINE Largest(const PoolTables& p, const Place& at, const State&) {
    const std::int64_t first = (at.d.lo * p.kernels[1] + at.h.lo) * p.kernels[2] + at.w.lo;
    choice = hn::Set(Numbers(), static_cast<Choice>(at.empty() ? 0 : first));
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

  HWY_INLINE Average(const PoolTables&, const Place& at, const State& state) : divisor(state), empty(at.empty()) {}
  HWY_INLINE void add(hn::Vec<D> v, std::int64_t) { total = hn::Add(total, v); }
  HWY_INLINE hn::Vec<D> result() const { return empty ? total : divisor.divide(d, total); }
  HWY_INLINE void store_choice(const PoolTables&, void*, std::int64_t, std::size_t) const {}
};

/// Calls f(offset, load, store, how many) for all lanes of an output, by vectors.
template <class D, class F>
HWY_INLINE void for_each_vector(D d, std::size_t lanes, const F& f) {
  using T = hn::TFromD<D>;
  const std::size_t n = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + n <= lanes; c += n) {
    f(
        c, [d](const T* from) POOL_INLINE { return hn::LoadU(d, from); },
        [d](auto v, T* to) POOL_INLINE { hn::StoreU(v, d, to); }, n);
  }
  if (c < lanes) {
    const std::size_t left = lanes - c;
    f(
        c, [d, left](const T* from) POOL_INLINE { return load_part(d, from, left); },
        [d, left](auto v, T* to) POOL_INLINE { store_part(v, d, to, left); }, left);
  }
}

/// One vector of results: `load(position)` gives the elements at a position of the input, `store(fold)` takes them.
template <class Fold, class Window, class Load, class Store>
HWY_INLINE void fold_window(const PoolTables& p, const Place& at, const Window& window, typename Fold::State& state,
                            const Load& load, const Store& store) {
  state.set(p, at);
  Fold fold(p, at, state);
  window.each([&](std::int64_t position, std::int64_t number) POOL_INLINE { fold.add(load(position), number); });
  store(fold);
}

/// Channels of a block.
template <template <class> class Fold, class T>
HWY_INLINE void fold_channels(const PoolTables& p, const T* x, T* y, void* choice, std::size_t lanes) {
  const hn::ScalableTag<T> d;
  using F = Fold<std::remove_cv_t<decltype(d)>>;
  typename F::State state;
  for_each_output_row(p, [&](const Place& first, std::int64_t row) POOL_INLINE {
    for_each_vector(d, lanes, [&](std::size_t c, const auto& load, const auto& store, std::size_t count) POOL_INLINE {
      for_each_in_row(p, first, row, [&](const Place& at, std::int64_t o, const auto& window) POOL_INLINE {
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

/// Outputs [from, to) of a row, whose windows are whole, by vectors; the last one may overlap the one before. Returns
/// the first output that is not done: `from`, or `to`.
template <int kStride, template <class> class Fold, class T>
HWY_INLINE std::int64_t fold_neighbours(const PoolTables& p, const Place& first, const T* x, const T* x_end, T* y,
                                        void* choice, std::int64_t row) {
  const RowTag<T> d;
  using F = Fold<std::remove_cv_t<decltype(d)>>;
  typename F::State state;
  const auto n = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t o = p.whole_from;
  while (o < p.whole_to && p.whole_to - p.whole_from >= n) {
    o = std::min(o, p.whole_to - n);
    const Place at = first.with(p.windows[2][o]);
    const std::int64_t last = at.row + (at.d.hi - 1) * p.steps[0] + (at.h.hi - 1) * p.steps[1] + at.w.first +
                              (at.w.hi - 1) * p.steps[2] + kStride * n;  // beyond what the last load reads
    if (last > x_end - x) {
      return o;
    }
    fold_window<F>(
        p, at, AnyWindow{p, at}, state, [&](std::int64_t i) { return load_neighbours<kStride>(d, x + i); },
        [&](const auto& fold) {
          hn::StoreU(fold.result(), d, y + row + o);
          fold.store_choice(p, choice, row + o, hn::Lanes(d));
        });
    o += n;
  }
  return o;
}

/// A row-major plane.
template <template <class> class Fold, class T>
HWY_INLINE void fold_plane(const PoolTables& p, const T* x, const T* x_end, T* y, void* choice) {
  const OneTag<T> d;
  using F = Fold<std::remove_cv_t<decltype(d)>>;
  typename F::State state;
  for_each_output_row(p, [&](const Place& first, std::int64_t row) POOL_INLINE {
    const auto one = [&](const Place& at, std::int64_t o, const AnyWindow& window) POOL_INLINE {
      fold_window<F>(
          p, at, window, state, [&](std::int64_t i) POOL_INLINE { return hn::LoadU(d, x + i); },
          [&](const F& fold) POOL_INLINE {
            hn::StoreU(fold.result(), d, y + o);
            fold.store_choice(p, choice, o, 1);
          });
    };
    std::int64_t done = 0;
    if (p.stride == 1 || p.stride == 2) {
      for_each_of_row(p, first, row, 0, p.whole_from, one);
      done = p.stride == 1 ? fold_neighbours<1, Fold>(p, first, x, x_end, y, choice, row)
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
void fold_all(const PoolTables& p, const T* x, const T* x_end, T* y, void* choice, std::size_t lanes) {
  if (p.block == 1) {
    fold_plane<Fold>(p, x, x_end, y, choice);
  } else {
    fold_channels<Fold>(p, x, y, choice, lanes);
  }
}

template <class T>
void max(const PoolTables& p, const T* x, const T* x_end, T* y, void* choice, std::size_t lanes) {
  if (choice != nullptr) {
    fold_all<LargestAndChoice>(p, x, x_end, y, choice, lanes);
  } else {
    fold_all<LargestOnly>(p, x, x_end, y, choice, lanes);
  }
}

template <class T>
void average(const PoolTables& p, const T* x, const T* x_end, T* y, std::size_t lanes) {
  fold_all<Average>(p, x, x_end, y, nullptr, lanes);
}

/// Adds `part(number)` to dx at the elements of a window, or writes it there.
template <bool kTiles, class D, class T, class Window, class Load, class Store, class Part>
HWY_INLINE void spread(D d, const Window& window, T* dx, const Load& load, const Store& store, const Part& part) {
  window.each([&](std::int64_t position, std::int64_t number) POOL_INLINE {
    store(hn::Add(part(number), kTiles ? hn::Zero(d) : load(dx + position)), dx + position);
  });
}

template <bool kTiles, class D, class T>
HWY_INLINE void average_backward_by(D d, const PoolTables& p, T* dx, const T* dy, std::size_t lanes) {
  Divisor<T> divisor;
  for_each_output_row(p, [&](const Place& first, std::int64_t row) POOL_INLINE {
    for_each_vector(d, lanes, [&](std::size_t c, const auto& load, const auto& store, std::size_t) POOL_INLINE {
      for_each_in_row(p, first, row, [&](const Place& at, std::int64_t o, const auto& window) POOL_INLINE {
        divisor.set(p, at);
        const auto g = divisor.divide(d, load(dy + o * p.block + c));
        spread<kTiles>(d, window, dx + c, load, store, [&](std::int64_t) POOL_INLINE { return g; });
      });
    });
  });
}

template <class T>
void average_backward(const PoolTables& p, T* dx, const T* dy, std::size_t lanes) {
  const auto by = [&](auto d) {
    if (p.tiles) {
      average_backward_by<true>(d, p, dx, dy, lanes);
    } else {
      average_backward_by<false>(d, p, dx, dy, lanes);
    }
  };
  if (p.block == 1) {
    by(OneTag<T>());
  } else {
    by(hn::ScalableTag<T>());
  }
}

/// The choices of a vector, as numbers as wide as its lanes.
template <class N>
HWY_INLINE hn::Vec<N> load_choice(N n, const std::uint8_t* choice, std::size_t count) {
  const hn::Rebind<std::uint8_t, N> bytes;
  if (count == hn::Lanes(n)) {
    return hn::PromoteTo(n, hn::LoadU(bytes, choice));
  }
  alignas(64) hn::TFromD<N> lanes[hn::MaxLanes(n)] = {};
  std::copy_n(choice, count, lanes);
  return hn::Load(n, lanes);
}

template <bool kTiles, class T>
HWY_INLINE void max_backward_by(const PoolTables& p, T* dx, const T* dy, const std::uint8_t* choice,
                                std::size_t lanes) {
  const hn::ScalableTag<T> d;
  const hn::RebindToUnsigned<std::remove_cv_t<decltype(d)>> n;
  for_each_output_row(p, [&](const Place& first, std::int64_t row) POOL_INLINE {
    for_each_vector(d, lanes, [&](std::size_t c, const auto& load, const auto& store, std::size_t count) POOL_INLINE {
      for_each_in_row(p, first, row, [&](const Place&, std::int64_t o, const auto& window) POOL_INLINE {
        const auto g = load(dy + o * p.block + c);
        const auto chosen = load_choice(n, choice + o * p.block + c, count);
        spread<kTiles>(d, window, dx + c, load, store, [&](std::int64_t number) POOL_INLINE {
          const auto is_it = hn::Eq(chosen, hn::Set(n, static_cast<std::uint32_t>(number)));
          return hn::IfThenElseZero(hn::RebindMask(d, is_it), g);
        });
      });
    });
  });
}

void max_backward(const PoolTables& p, float* dx, const float* dy, const std::uint8_t* choice, std::size_t lanes) {
  if (p.tiles) {
    max_backward_by<true>(p, dx, dy, choice, lanes);
  } else {
    max_backward_by<false>(p, dx, dy, choice, lanes);
  }
}

/// Sums of what is added in turn to one of eight of them, together.
template <class T>
HWY_INLINE T total_of(const T* s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

template <class T>
HWY_INLINE T mean_of_row(const T* x, std::size_t n) {
  const RowTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  alignas(64) T sums[8] = {};
  std::size_t i = 0;
  if (lanes == 8) {
    auto total = hn::Zero(d);
    for (; i + 8 <= n; i += 8) {
      total = hn::Add(total, hn::LoadU(d, x + i));
    }
    hn::Store(total, d, sums);
  } else {
    for (; i + 8 <= n; i += 8) {
      for (std::size_t j = 0; j < 8; j += lanes) {
        hn::Store(hn::Add(hn::Load(d, sums + j), hn::LoadU(d, x + i + j)), d, sums + j);
      }
    }
  }
  for (; i < n; ++i) {
    sums[i % 8] += x[i];
  }
  return total_of(sums) / static_cast<T>(n);
}

template <class T>
void mean(const T* x, std::size_t n, std::size_t block, T* y, std::size_t lanes) {
  if (block == 1) {
    *y = mean_of_row(x, n);
    return;
  }
  const hn::ScalableTag<T> d;
  for_each_vector(d, lanes, [&](std::size_t c, const auto& load, const auto& store, std::size_t) POOL_INLINE {
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    const T* from = x + c;
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8, from += 8 * block) {
      s0 = hn::Add(s0, load(from));
      s1 = hn::Add(s1, load(from + block));
      s2 = hn::Add(s2, load(from + 2 * block));
      s3 = hn::Add(s3, load(from + 3 * block));
      s4 = hn::Add(s4, load(from + 4 * block));
      s5 = hn::Add(s5, load(from + 5 * block));
      s6 = hn::Add(s6, load(from + 6 * block));
      s7 = hn::Add(s7, load(from + 7 * block));
    }
    const auto next = [&](auto& sum) {
      if (i < n) {
        sum = hn::Add(sum, load(from));
        from += block;
        ++i;
      }
    };
    next(s0), next(s1), next(s2), next(s3), next(s4), next(s5), next(s6);
    const auto even = hn::Add(hn::Add(s0, s4), hn::Add(s2, s6));
    const auto odd = hn::Add(hn::Add(s1, s5), hn::Add(s3, s7));
    store(hn::Div(hn::Add(even, odd), hn::Set(d, static_cast<T>(n))), y + c);
  });
}

const PoolLoops<float>* float_pool_loops() {
  static constexpr PoolLoops<float> kLoops = {max<float>, average<float>, average_backward<float>, max_backward,
                                              mean<float>};
  return &kLoops;
}
const PoolLoops<double>* double_pool_loops() {
  static constexpr PoolLoops<double> kLoops = {max<double>, average<double>, average_backward<double>, nullptr,
                                               mean<double>};
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
