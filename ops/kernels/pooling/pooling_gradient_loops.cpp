#include <backflow/ops/kernels/pooling/pooling_loops.h>

#include <algorithm>
#include <type_traits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/pooling/pooling_gradient_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/pooling/pooling_divisor.h>
#include <backflow/ops/kernels/pooling/pooling_windows.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Adds `part(number)` to dx at the elements of a window, or writes it there.
template <bool kTiles, class D, class T, class Window, class Load, class Store, class Part>
HWY_INLINE void spread(D d, const Window& window, T* dx, const Load& load, const Store& store, const Part& part) {
  window.each([&](std::int64_t position, std::int64_t number) POOL_INLINE {
    store(hn::Add(part(number), kTiles ? hn::Zero(d) : load(dx + position)), dx + position);
  });
}

template <bool kTiles, class D, class T>
HWY_INLINE void average_backward_by(D d, const PoolTables& p, const PoolPart& part, T* dx, const T* dy,
                                    std::size_t lanes) {
  Divisor<T> divisor;
  for_each_row_into(p, part, [&](const WindowPlace& first, std::int64_t row) POOL_INLINE {
    for_each_vector(d, lanes, [&](std::size_t c, const auto& load, const auto& store, std::size_t) POOL_INLINE {
      for_each_in_row(p, first, row, [&](const WindowPlace& at, std::int64_t o, const auto& window) POOL_INLINE {
        divisor.set(p, at);
        const auto g = divisor.divide(d, load(dy + o * p.block + c));
        spread<kTiles>(d, window, dx + c, load, store, [&](std::int64_t) POOL_INLINE { return g; });
      });
    });
  });
}

template <class T>
void average_backward(const PoolTables& p, const PoolPart& part, T* dx, const T* dy, std::size_t lanes) {
  const auto by = [&](auto d) {
    if (p.tiles) {
      average_backward_by<true>(d, p, part, dx, dy, lanes);
    } else {
      average_backward_by<false>(d, p, part, dx, dy, lanes);
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
HWY_INLINE void max_backward_by(const PoolTables& p, const PoolPart& part, T* dx, const T* dy,
                                const std::uint8_t* choice, std::size_t lanes) {
  const hn::ScalableTag<T> d;
  const hn::RebindToUnsigned<std::remove_cv_t<decltype(d)>> n;
  for_each_row_into(p, part, [&](const WindowPlace& first, std::int64_t row) POOL_INLINE {
    for_each_vector(d, lanes, [&](std::size_t c, const auto& load, const auto& store, std::size_t count) POOL_INLINE {
      for_each_in_row(p, first, row, [&](const WindowPlace&, std::int64_t o, const auto& window) POOL_INLINE {
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

void max_backward(const PoolTables& p, const PoolPart& part, float* dx, const float* dy, const std::uint8_t* choice,
                  std::size_t lanes) {
  if (p.tiles) {
    max_backward_by<true>(p, part, dx, dy, choice, lanes);
  } else {
    max_backward_by<false>(p, part, dx, dy, choice, lanes);
  }
}

const PoolGradientLoops<float>* float_pool_gradient_loops() {
  static constexpr PoolGradientLoops<float> kLoops = {average_backward<float>, max_backward};
  return &kLoops;
}
const PoolGradientLoops<double>* double_pool_gradient_loops() {
  static constexpr PoolGradientLoops<double> kLoops = {average_backward<double>, nullptr};
  return &kLoops;
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_pool_gradient_loops);
HWY_EXPORT(double_pool_gradient_loops);

template <>
const PoolGradientLoops<float>& pool_gradient_loops<float>() {
  return *HWY_DYNAMIC_DISPATCH(float_pool_gradient_loops)();
}
template <>
const PoolGradientLoops<double>& pool_gradient_loops<double>() {
  return *HWY_DYNAMIC_DISPATCH(double_pool_gradient_loops)();
}

}  // namespace backflow::kernels
#endif
