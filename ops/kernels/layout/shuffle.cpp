#include <backflow/ops/kernels/layout/shuffle.h>

#include <algorithm>
#include <cstddef>

#include <backflow/ops/kernels/layout/ranges.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/layout/shuffle.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// y[r j + k] = x[k step + j] for j < n, k < r.
template <class U>
void interleave(const U* x, std::int64_t step, U* y, std::int64_t n, std::int64_t r) {
  const hn::ScalableTag<U> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t j = 0;
  for (; (r == 2 || r == 4) && j + lanes <= n; j += lanes) {
    const auto a = hn::LoadU(d, x + j);
    const auto b = hn::LoadU(d, x + step + j);
    if (r == 2) {
      hn::StoreInterleaved2(a, b, d, y + r * j);
    } else {
      hn::StoreInterleaved4(a, b, hn::LoadU(d, x + 2 * step + j), hn::LoadU(d, x + 3 * step + j), d, y + r * j);
    }
  }
  for (std::int64_t k = 0; k < r; ++k) {
    for (std::int64_t i = j; i < n; ++i) {
      y[r * i + k] = x[k * step + i];
    }
  }
}

/// x[k step + j] = y[r j + k] for j < n, k < r.
template <class U>
void separate(const U* y, U* x, std::int64_t step, std::int64_t n, std::int64_t r) {
  const hn::ScalableTag<U> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t j = 0;
  for (; (r == 2 || r == 4) && j + lanes <= n; j += lanes) {
    auto a = hn::Zero(d), b = a, c = a, e = a;
    if (r == 2) {
      hn::LoadInterleaved2(d, y + r * j, a, b);
    } else {
      hn::LoadInterleaved4(d, y + r * j, a, b, c, e);
      hn::StoreU(c, d, x + 2 * step + j);
      hn::StoreU(e, d, x + 3 * step + j);
    }
    hn::StoreU(a, d, x + j);
    hn::StoreU(b, d, x + step + j);
  }
  for (std::int64_t k = 0; k < r; ++k) {
    for (std::int64_t i = j; i < n; ++i) {
      x[k * step + i] = y[r * i + k];
    }
  }
}

/// Rows [begin, end) of the larger image.
template <class U>
void rows(U* large, U* small, const PixelGrid& g, std::int64_t begin, std::int64_t end, bool inverse) {
  const std::int64_t r = g.factor;
  const std::int64_t plane = g.height * g.width;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t i = row % r;
    const std::int64_t h = row / r % g.height;
    const std::int64_t p = row / (r * g.height);
    U* channel = small + (p * r * r + i * r) * plane + h * g.width;
    U* line = large + row * r * g.width;
    inverse ? separate(line, channel, plane, g.width, r) : interleave(channel, plane, line, g.width, r);
  }
}

void rows_of(void* large, void* small, std::size_t width, const PixelGrid& g, std::int64_t begin, std::int64_t end,
             bool inverse) {
  const auto run = [&](auto zero) {
    using U = decltype(zero);
    rows(static_cast<U*>(large), static_cast<U*>(small), g, begin, end, inverse);
  };
  width == 1   ? run(std::uint8_t{})
  : width == 2 ? run(std::uint16_t{})
  : width == 4 ? run(std::uint32_t{})
               : run(std::uint64_t{});
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(rows_of);

void pixel_shuffle(const Tensor& y, const Tensor& x, const PixelGrid& grid, bool inverse) {
  void* const large = inverse ? x.mutable_data_ptr() : y.mutable_data_ptr();
  void* const small = inverse ? y.mutable_data_ptr() : x.mutable_data_ptr();
  const double nanoseconds = 4 * kNanosecondsPerByte * static_cast<double>(x.nbytes());  // lanes are interleaved
  parallel_ranges(grid.planes * grid.height * grid.factor, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(rows_of)
    (large, small, element_size(x.scalar_type()), grid, begin, end, inverse);
  });
}

}  // namespace backflow::kernels
#endif
