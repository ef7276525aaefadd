#include <backflow/ops/kernels/pooling/pooling_loops.h>

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/pooling/pooling_gather_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/pooling/pooling_windows.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// An element at i lies at place k = i + padding - o stride of window o. Along a row, i = stride q + phase: places
// k = phase + padding - stride t belong to the windows q + t. Neighbours q make a vector.

/// a / b for small b >= 1, of which most are 1 or 2.
HWY_INLINE std::int64_t quotient(std::int64_t a, std::int64_t b) { return b == 1 ? a : b == 2 ? a / 2 : a / b; }
HWY_INLINE bool divides(std::int64_t b, std::int64_t a) { return b == 1 || a % b == 0; }

/// The outputs whose windows reach an element, if no dilation leaves it out.
struct Reach {
  std::int64_t first;
  std::int64_t last;

  HWY_INLINE Reach(const PoolTables& p, std::size_t axis, std::int64_t i) {
    const std::int64_t at = i + p.paddings[axis];
    const std::int64_t before = at - (p.kernels[axis] - 1) * p.dilations[axis];
    first = before <= 0 ? 0 : quotient(before + p.strides[axis] - 1, p.strides[axis]);
    last = std::min(quotient(at, p.strides[axis]), p.outputs[axis] - 1);
  }
};

/// Rows of dy and of the choices, with room on both sides that nothing chose.
class Rows {
 public:
  Rows(const PoolTables& p, std::int64_t lanes)
      : p_(p), left_(std::max<std::int64_t>(0, p.kernels[2] - 1 - p.paddings[2])) {
    const std::int64_t vectors = (p.sizes[2] + lanes * p.strides[2] - 1) / (lanes * p.strides[2]);
    width_ = left_ + vectors * lanes + p.paddings[2] + 1;
    known_ = std::min(p.outputs[2], width_ - left_);
  }
  /// Takes the rows of these outputs, by depth and height.
  HWY_INLINE void take(const Reach& d, const Reach& h, const float* dy, const std::uint8_t* choice) {
    d_ = d.first;
    h_ = h.first;
    height_ = std::max<std::int64_t>(0, h.last - h.first + 1);
    const std::int64_t count = std::max<std::int64_t>(0, d.last - d.first + 1) * height_;
    make_room(static_cast<std::size_t>(count * width_));
    for (std::int64_t i = d.first; i <= d.last; ++i) {
      for (std::int64_t j = h.first; j <= h.last; ++j) {
        const std::int64_t from = (i * p_.outputs[1] + j) * p_.outputs[2];
        copy(dy + from, choice + from, &dy_[index(i, j)], &choice_[index(i, j)]);
      }
    }
  }
  /// dy and choices of the first output of a row.
  const float* dy(std::int64_t i, std::int64_t j) const { return &dy_[index(i, j)]; }
  const std::uint32_t* choice(std::int64_t i, std::int64_t j) const { return &choice_[index(i, j)]; }

  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

 private:
  static constexpr std::uint32_t kNobody = 0xffffffff;
  void make_room(std::size_t count) {
    if (count <= room_) {
      return;
    }
    room_ = count;
    if (count <= few_dy_.size()) {
      dy_ = few_dy_.data();
      choice_ = few_choices_.data();
    } else {
      many_dy_.resize(count);
      many_choices_.resize(count);
      dy_ = many_dy_.data();
      choice_ = many_choices_.data();
    }
    std::fill_n(dy_, count, 0.0F);
    std::fill_n(choice_, count, kNobody);
  }
  HWY_INLINE void copy(const float* dy, const std::uint8_t* choice, float* to_dy, std::uint32_t* to_choice) const {
    const RowTag<float> d;
    const hn::RebindToUnsigned<std::remove_cv_t<decltype(d)>> n;
    const hn::Rebind<std::uint8_t, std::remove_cv_t<decltype(n)>> bytes;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    if (known_ < lanes) {
      for (std::int64_t i = 0; i < known_; ++i) {
        to_dy[i] = dy[i];
        to_choice[i] = choice[i];
      }
      return;
    }
    for (std::int64_t next = 0; next < known_; next += lanes) {  // the last vector may overlap the one before
      const std::int64_t i = std::min(next, known_ - lanes);
      hn::StoreU(hn::LoadU(d, dy + i), d, to_dy + i);
      hn::StoreU(hn::PromoteTo(n, hn::LoadU(bytes, choice + i)), n, to_choice + i);
    }
  }
  std::size_t index(std::int64_t i, std::int64_t j) const {
    return static_cast<std::size_t>(((i - d_) * height_ + j - h_) * width_ + left_);
  }

  const PoolTables& p_;
  std::int64_t left_;
  std::int64_t width_;
  std::int64_t known_;
  std::int64_t d_ = 0;
  std::int64_t h_ = 0;
  std::int64_t height_ = 0;
  std::size_t room_ = 0;
  float* dy_ = nullptr;
  std::uint32_t* choice_ = nullptr;
  std::array<float, 512> few_dy_;
  std::array<std::uint32_t, 512> few_choices_;
  std::vector<float> many_dy_;
  std::vector<std::uint32_t> many_choices_;
};

/// The rows of outputs that reach into one row of the input, in their order.
struct Sources {
  struct Row {
    const float* dy;
    const std::uint32_t* choice;
    std::uint32_t number;  ///< in the windows, of their first element in the row of the input
  };
  std::array<Row, kGatheredWindow> rows;
  std::size_t count = 0;

  HWY_INLINE Sources(const PoolTables& p, const Rows& from, std::int64_t i, std::int64_t j) {
    const Reach d(p, 0, i);
    const Reach h(p, 1, j);
    for (std::int64_t od = d.first; od <= d.last; ++od) {
      const std::int64_t kd = i + p.paddings[0] - od * p.strides[0];
      for (std::int64_t oh = h.first; oh <= h.last && divides(p.dilations[0], kd); ++oh) {
        const std::int64_t kh = j + p.paddings[1] - oh * p.strides[1];
        if (divides(p.dilations[1], kh)) {
          const std::int64_t row = quotient(kd, p.dilations[0]) * p.kernels[1] + quotient(kh, p.dilations[1]);
          rows[count++] = {from.dy(od, oh), from.choice(od, oh), static_cast<std::uint32_t>(row * p.kernels[2])};
        }
      }
    }
  }
};

/// Elements stride q + phase of a row of dx for a vector of q. kKernel: elements of the window along the row; 0: any.
template <int kStride, int kKernel, class D>
HWY_INLINE hn::Vec<D> gather(D d, const PoolTables& p, const Sources& sources, std::int64_t q, std::int64_t phase) {
  const hn::RebindToUnsigned<D> n;
  const std::int64_t kernel = kKernel == 0 ? p.kernels[2] : kKernel;
  const std::int64_t at = phase + p.paddings[2];
  const std::int64_t last = kernel - 1 - (kernel - 1 - at % kStride + kStride) % kStride;  // of the places of the phase
  auto sum = hn::Zero(d);
  for (std::size_t i = 0; i < sources.count; ++i) {
    const Sources::Row& row = sources.rows[i];
    const auto add = [&](std::int64_t k) POOL_INLINE {
      const std::int64_t o = q + (at - k) / kStride;
      const auto chosen = hn::Eq(hn::LoadU(n, row.choice + o), hn::Set(n, row.number + static_cast<std::uint32_t>(k)));
      sum = hn::Add(sum, hn::IfThenElseZero(hn::RebindMask(d, chosen), hn::LoadU(d, row.dy + o)));
    };
    if constexpr (kStride == 1 && kKernel == 3) {
      add(2), add(1), add(0);
    } else if constexpr (kStride == 2 && kKernel == 2) {
      add(at % 2);
    } else {
      for (std::int64_t k = last; k >= 0; k -= kStride) {
        add(k);
      }
    }
  }
  return sum;
}

/// A row of dx, after which elements up to `end` may be written.
template <int kStride, int kKernel, class D>
HWY_INLINE void gather_row(D d, const PoolTables& p, const Sources& sources, float* dx, const float* end) {
  const auto n = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t q = 0; q * kStride < p.sizes[2]; q += n) {
    float* const to = dx + q * kStride;
    alignas(64) float last[kStride * hn::MaxLanes(d)];
    float* const at = end - to >= kStride * n ? to : last;
    const auto even = gather<kStride, kKernel>(d, p, sources, q, 0);
    if constexpr (kStride == 1) {
      hn::StoreU(even, d, at);
    } else {
      hn::StoreInterleaved2(even, gather<kStride, kKernel>(d, p, sources, q, 1), d, at);
    }
    if (at != to) {
      std::copy_n(last, std::min(kStride * n, p.sizes[2] - q * kStride), to);
    }
  }
}

template <int kStride, int kKernel, class D>
HWY_INLINE void gather_part(D d, const PoolTables& p, const PoolPart& part, float* dx, const float* dy,
                            const std::uint8_t* choice) {
  const std::int64_t width = p.sizes[2];
  const std::int64_t few = std::max<std::int64_t>(8, 2048 / width);  // rows whose sources fit into the L1 cache
  const float* const end = dx + ((part.to[0] - 1) * p.sizes[1] + part.to[1]) * width;
  Rows rows(p, static_cast<std::int64_t>(hn::Lanes(d)));
  for (std::int64_t i = part.from[0]; i < part.to[0]; ++i) {
    for (std::int64_t from = part.from[1]; from < part.to[1]; from += few) {
      const std::int64_t to = std::min(part.to[1], from + few);
      Reach reach(p, 1, from);
      reach.last = Reach(p, 1, to - 1).last;
      rows.take(Reach(p, 0, i), reach, dy, choice);
      for (std::int64_t j = from; j < to; ++j) {
        const Sources sources(p, rows, i, j);
        gather_row<kStride, kKernel>(d, p, sources, dx + (i * p.sizes[1] + j) * width, end);
      }
    }
  }
}

template <int kStride, int kKernel>
HWY_INLINE void gather_by(const PoolTables& p, const PoolPart& part, float* dx, const float* dy,
                          const std::uint8_t* choice) {
  const hn::ScalableTag<float> wide;
  if (p.sizes[2] >= kStride * static_cast<std::int64_t>(hn::Lanes(wide))) {
    gather_part<kStride, kKernel>(wide, p, part, dx, dy, choice);
  } else {
    gather_part<kStride, kKernel>(RowTag<float>(), p, part, dx, dy, choice);
  }
}

void max_gather(const PoolTables& p, const PoolPart& part, float* dx, const float* dy, const std::uint8_t* choice) {
  const std::int64_t kernel = p.kernels[2];
  if (p.strides[2] == 2) {
    kernel == 2 ? gather_by<2, 2>(p, part, dx, dy, choice) : gather_by<2, 0>(p, part, dx, dy, choice);
  } else {
    kernel == 3 ? gather_by<1, 3>(p, part, dx, dy, choice) : gather_by<1, 0>(p, part, dx, dy, choice);
  }
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(max_gather);

bool gathers(const PoolTables& p) {
  const std::int64_t stride = p.strides[2];
  return !p.wide_choice && p.kernels[0] * p.kernels[1] * p.kernels[2] <= kGatheredWindow && p.strides[0] != 0 &&
         p.strides[1] != 0 && (stride == 1 || stride == 2) && p.dilations[2] == 1;
}

void pool_gather(const PoolTables& p, const PoolPart& part, float* dx, const float* dy, const std::uint8_t* choice) {
  HWY_DYNAMIC_DISPATCH(max_gather)(p, part, dx, dy, choice);
}

}  // namespace backflow::kernels
#endif
