// How the loops of pooling walk over the windows of a plane; compiled once for each instruction set.
#if defined(BACKFLOW_POOLING_WINDOWS_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_POOLING_WINDOWS_TOGGLE
#undef BACKFLOW_POOLING_WINDOWS_TOGGLE
#else
#define BACKFLOW_POOLING_WINDOWS_TOGGLE
#endif

#include <cstddef>
#include <cstdint>

#include <backflow/ops/kernels/elementwise/vector_math.h>
#include <backflow/ops/kernels/pooling/pooling_loops.h>

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
struct WindowPlace {
  const PoolWindow& d;
  const PoolWindow& h;
  const PoolWindow& w;
  std::int64_t row;   ///< of the first element of the first row
  std::int64_t area;  ///< elements that an average counts along depth and height

  bool empty() const { return d.empty() || h.empty() || w.empty(); }
  std::int64_t counted() const { return area * w.counted; }
  HWY_INLINE WindowPlace with(const PoolWindow& other) const { return {d, h, other, row, area}; }
};

/// Calls f(position in the plane, number in the window) for the elements of a window in their order.
struct AnyWindow {
  const PoolTables& p;
  const WindowPlace& at;

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
struct SquareWindow {
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

/// Calls f(place with the first window of the width, number of the first output) for a row of outputs.
template <class F>
HWY_INLINE void at_output_row(const PoolTables& p, std::int64_t i, std::int64_t j, const PoolWindow& d,
                              const PoolWindow& h, const F& f) {
  f(WindowPlace{d, h, *p.windows[2], (d.first * p.sizes[1] + h.first) * p.sizes[2] * p.block,
                static_cast<std::int64_t>(d.counted) * h.counted},
    (i * p.outputs[1] + j) * p.outputs[2]);
}

/// The same for each row of outputs of a part.
template <class F>
HWY_INLINE void for_each_output_row(const PoolTables& p, const PoolPart& part, const F& f) {
  for (std::int64_t i = part.from[0]; i < part.to[0]; ++i) {
    for (std::int64_t j = part.from[1]; j < part.to[1]; ++j) {
      at_output_row(p, i, j, p.windows[0][i], p.windows[1][j], f);
    }
  }
}

/// What of a window lies in [from, to).
HWY_INLINE PoolWindow clipped(const PoolWindow& w, std::int64_t dilation, std::int64_t from, std::int64_t to) {
  const auto until = [&](std::int64_t end) {
    const std::int64_t reach = end <= w.first ? 0 : (end - w.first + dilation - 1) / dilation;
    return static_cast<std::int32_t>(reach < w.lo ? w.lo : reach > w.hi ? w.hi : reach);
  };
  return {w.first, until(from), until(to), w.counted};
}

/// Calls f as above for each row of outputs whose windows reach into a part of the input, with these windows clipped.
template <class F>
HWY_INLINE void for_each_row_into(const PoolTables& p, const PoolPart& part, const F& f) {
  for (std::int64_t i = 0; i < p.outputs[0]; ++i) {
    const PoolWindow d = clipped(p.windows[0][i], p.dilations[0], part.from[0], part.to[0]);
    if (d.empty()) {
      continue;
    }
    for (std::int64_t j = 0; j < p.outputs[1]; ++j) {
      const PoolWindow h = clipped(p.windows[1][j], p.dilations[1], part.from[1], part.to[1]);
      if (!h.empty()) {
        at_output_row(p, i, j, d, h, f);
      }
    }
  }
}

/// Calls f(place, number of the output, window) for all outputs of a row with these windows.
template <class F>
HWY_INLINE void for_each_of_row(const PoolTables& p, const WindowPlace& first, std::int64_t o, std::int64_t from,
                                std::int64_t to, const F& f) {
  for (std::int64_t k = from; k < to; ++k) {
    const WindowPlace at = first.with(p.windows[2][k]);
    f(at, o + k, AnyWindow{p, at});
  }
}
template <int kSize, class F>
HWY_INLINE void for_each_square(const PoolTables& p, const WindowPlace& first, std::int64_t o, const F& f) {
  const WindowPlace at = first.with(p.windows[2][p.whole_from]);
  SquareWindow<kSize> window{at.row + at.w.first * p.block, p.steps[1], p.steps[2]};
  for (std::int64_t k = p.whole_from; k < p.whole_to; ++k, window.position += p.strides[2] * p.block) {
    f(at, o + k, window);
  }
}

/// The size of the windows of a row where they are whole squares of 2 or 3; 0 for others.
HWY_INLINE std::int64_t square_of(const PoolTables& p, const WindowPlace& first) {
  const std::int64_t size = p.kernels[0] == 1 && p.kernels[1] == p.kernels[2] && p.strides[2] != 0 ? p.kernels[1] : 0;
  const bool is_whole = (size == 2 || size == 3) && first.h.hi - first.h.lo == size && !first.d.empty();
  return is_whole ? size : 0;
}

/// Calls f(place, number of the output, window) for all outputs of a row, whose first is number o.
template <class F>
HWY_INLINE void for_each_in_row(const PoolTables& p, const WindowPlace& first, std::int64_t o, const F& f) {
  const std::int64_t size = square_of(p, first);
  const std::int64_t from = size != 0 ? p.whole_from : p.outputs[2];
  for_each_of_row(p, first, o, 0, from, f);
  if (size == 0) {
    return;
  }
  if (size == 2) {
    for_each_square<2>(p, first, o, f);
  } else {
    for_each_square<3>(p, first, o, f);
  }
  for_each_of_row(p, first, o, p.whole_to, p.outputs[2], f);
}

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

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
