#include <backflow/ops/kernels/resampling/resample.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/resampling/resample_taps.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/resampling/resample.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/vector_math.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The n <= Lanes elements at p; the others are zero.
template <class D>
HWY_INLINE auto load(D d, const hn::TFromD<D>* p, std::size_t n) {
  return n == hn::Lanes(d) ? hn::LoadU(d, p) : load_part(d, p, n);
}

/// What `w` does not take is zero.
template <class D, class V>
HWY_INLINE V taken(D d, V w, V x) {
  return hn::IfThenZeroElse(hn::Eq(w, hn::Zero(d)), x);
}

/// The elements of y that fill vectors, without gathering; returns their number.
template <class T>
HWY_INLINE std::size_t along_pairs(const T* x, T* y, const Taps<T>& taps) {
  const hn::ScalableTag<T> d;
  const auto size = static_cast<std::size_t>(taps.size());
  const T* const weights = taps.weights.data();
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= size; i += hn::Lanes(d)) {
    auto even = hn::Zero(d), odd = even;
    hn::LoadInterleaved2(d, x + taps.first[i], even, odd);
    const auto w0 = hn::LoadU(d, weights + i);
    const auto w1 = hn::LoadU(d, weights + size + i);
    const auto sum = hn::MulAdd(w0, taken(d, w0, even), hn::Zero(d));
    hn::StoreU(hn::MulAdd(w1, taken(d, w1, odd), sum), d, y + i);
  }
  return i;
}

template <class T>
void along(const T* x, T* y, const Taps<T>& taps) {
  const hn::ScalableTag<T> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto size = static_cast<std::size_t>(taps.size());
  const auto width = static_cast<std::size_t>(taps.width);
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = taps.pairs ? along_pairs(x, y, taps) : 0;
  for (; i < size; i += lanes) {
    const std::size_t n = std::min(lanes, size - i);
    const auto index = load(di, taps.first.data() + i, n);
    auto sum = hn::Zero(d);
    if (taps.copies) {
      sum = hn::GatherIndex(d, x, index);
    } else {
      for (std::size_t k = 0; k < width; ++k) {
        const auto w = load(d, taps.weights.data() + k * size + i, n);
        const auto v = hn::GatherIndex(d, x + k, index);
        sum = hn::MulAdd(w, taken(d, w, v), sum);
      }
    }
    n == lanes ? hn::StoreU(sum, d, y + i) : store_part(sum, d, y + i, n);
  }
}

/// y = the sum of kCount rows, or with kAdds is added to.
template <std::size_t kCount, bool kAdds, class T>
HWY_INLINE void few_rows(const T* const* rows, const T* weights, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t i = 0; i < n; i += lanes) {
    const std::size_t m = std::min(lanes, n - i);
    auto sum = kAdds ? load(d, y + i, m) : hn::Zero(d);
    for (std::size_t k = 0; k < kCount; ++k) {
      sum = hn::MulAdd(hn::Set(d, weights[k]), load(d, rows[k] + i, m), sum);
    }
    m == lanes ? hn::StoreU(sum, d, y + i) : store_part(sum, d, y + i, m);
  }
}

template <bool kAdds, class T>
HWY_INLINE void up_to_four(const T* const* rows, const T* weights, std::size_t count, T* y, std::size_t n) {
  switch (count) {
    case 1:
      return few_rows<1, kAdds>(rows, weights, y, n);
    case 2:
      return few_rows<2, kAdds>(rows, weights, y, n);
    case 3:
      return few_rows<3, kAdds>(rows, weights, y, n);
    default:
      return few_rows<4, kAdds>(rows, weights, y, n);
  }
}

template <class T>
void across(const T* const* rows, const T* weights, std::size_t count, T* y, std::size_t n) {
  up_to_four<false>(rows, weights, std::min<std::size_t>(count, 4), y, n);
  for (std::size_t k = 4; k < count; k += 4) {
    up_to_four<true>(rows + k, weights + k, std::min<std::size_t>(count - k, 4), y, n);
  }
}

template <class T>
const ResampleLoops<T>* loops_of() {
  static constexpr ResampleLoops<T> kLoops = {along<T>, across<T>};
  return &kLoops;
}

const ResampleLoops<float>* float_resample() { return loops_of<float>(); }
const ResampleLoops<double>* double_resample() { return loops_of<double>(); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_resample);
HWY_EXPORT(double_resample);

namespace {

const ResampleLoops<float>& resample_loops(float) { return *HWY_DYNAMIC_DISPATCH(float_resample)(); }
const ResampleLoops<double>& resample_loops(double) { return *HWY_DYNAMIC_DISPATCH(double_resample)(); }

/// The maps of three dimensions, of which the last is along rows.
template <class T>
struct Maps {
  Taps<T> planes;
  Taps<T> rows;
  Taps<T> along;
  std::array<std::int64_t, 3> size;  // of x

  Maps(Filter filter, const std::array<Axis, 3>& axes, bool transposed)
      : planes(filter, axes[0], transposed), rows(filter, axes[1], transposed), along(filter, axes[2], transposed) {
    for (std::size_t d = 0; d < 3; ++d) {
      size[d] = transposed ? axes[d].resampled : axes[d].size;
    }
  }
  /// The rows of the result of one volume.
  std::int64_t rows_of_volume() const { return planes.size() * rows.size(); }
  /// Where the result has more rows, those of x are stretched first, each once or twice.
  bool stretches_first() const { return !along.identity && size[0] * size[1] < rows_of_volume(); }
  /// In which a row of the result is made, about.
  double nanoseconds_of_row() const {
    constexpr double kOfRow = 20;
    constexpr double kAlong = 0.4;  // an element that is gathered
    constexpr double kAcross = 0.1;
    const auto longer = static_cast<double>(std::max(along.size(), size[2]));
    return kOfRow + longer * (kAcross * static_cast<double>(planes.width * rows.width) +
                              (along.identity ? 0 : kAlong * static_cast<double>(along.width)));
  }
};

/// Makes rows of the result one after the other, from row `first` of all volumes on, with memory of its own.
template <class T>
class RowMaker {
 public:
  RowMaker(const Maps<T>& maps, const T* x, std::int64_t first)
      : maps_(maps),
        loops_(resample_loops(T{})),
        x_(x),
        stretches_(maps.stretches_first()),
        volume_(first / maps.rows_of_volume()),
        plane_(first / maps.rows.size() % maps.planes.size()),
        row_(first % maps.rows.size()),
        slots_(maps.planes.width * maps.rows.width),
        held_(stretches_ ? static_cast<std::size_t>(slots_) : 0, -1),
        scratch_(static_cast<std::size_t>(stretches_ ? slots_ * maps.along.size() : maps.size[2])) {
    rows_.reserve(static_cast<std::size_t>(slots_));
    weights_.reserve(static_cast<std::size_t>(slots_));
  }

  /// Writes the present row and goes on to the next.
  void make(T* y) {
    find_rows();
    const bool is_one = rows_.size() == 1 && weights_[0] == 1;
    if (maps_.along.identity || stretches_) {
      combine(is_one, y, maps_.along.size());
    } else if (is_one) {
      loops_.along(rows_[0], y, maps_.along);
    } else {
      combine(false, scratch_.data(), maps_.size[2]);
      loops_.along(scratch_.data(), y, maps_.along);
    }
    if (++row_ == maps_.rows.size()) {
      row_ = 0;
      if (++plane_ == maps_.planes.size()) {
        plane_ = 0;
        ++volume_;
      }
    }
  }

 private:
  /// The rows of x, perhaps stretched, that the present row is the sum of.
  void find_rows() {
    rows_.clear();
    weights_.clear();
    const std::int64_t plane = maps_.planes.source(plane_);
    const std::int64_t row = maps_.rows.source(row_);
    for (std::int64_t i = 0; i < maps_.planes.width; ++i) {
      const T of_plane = maps_.planes.weight(plane_, i);
      const std::int64_t first = (volume_ * maps_.size[0] + plane + i) * maps_.size[1];
      for (std::int64_t j = 0; j < maps_.rows.width; ++j) {
        const T weight = of_plane * maps_.rows.weight(row_, j);
        if (weight != 0) {
          rows_.push_back(stretches_ ? stretched(first + row + j, slot_of(plane + i, row + j))
                                     : x_ + (first + row + j) * maps_.size[2]);
          weights_.push_back(weight);
        }
      }
    }
  }
  std::int64_t slot_of(std::int64_t plane, std::int64_t row) const {
    return plane % maps_.planes.width * maps_.rows.width + row % maps_.rows.width;
  }
  const T* stretched(std::int64_t row, std::int64_t slot) {
    T* to = scratch_.data() + slot * maps_.along.size();
    if (held_[static_cast<std::size_t>(slot)] != row) {
      held_[static_cast<std::size_t>(slot)] = row;
      loops_.along(x_ + row * maps_.size[2], to, maps_.along);
    }
    return to;
  }
  void combine(bool is_one, T* to, std::int64_t n) {
    if (rows_.empty()) {
      std::fill_n(to, n, T{0});
    } else if (is_one) {
      std::copy_n(rows_[0], n, to);
    } else {
      loops_.across(rows_.data(), weights_.data(), rows_.size(), to, static_cast<std::size_t>(n));
    }
  }

  const Maps<T>& maps_;
  const ResampleLoops<T>& loops_;
  const T* x_;
  bool stretches_;
  std::int64_t volume_;  // the present row's place
  std::int64_t plane_;
  std::int64_t row_;
  std::int64_t slots_;
  std::vector<std::int64_t> held_;  // which row of x each slot has, stretched
  std::vector<T> scratch_;
  std::vector<const T*> rows_;
  std::vector<T> weights_;
};

}  // namespace

void resample(const Tensor& y, const Tensor& x, Filter filter, const std::array<Axis, 3>& axes, bool transposed) {
  dispatch_floating(x.scalar_type(), "resample", [&](auto zero) {
    using T = decltype(zero);
    const Maps<T> maps(filter, axes, transposed);
    const std::int64_t columns = maps.along.size();
    // A row is made alike wherever its range begins: the cut is free. Each range stretches its first rows anew.
    constexpr std::int64_t kLeastRows = 4;
    const double nanoseconds = maps.nanoseconds_of_row() * static_cast<double>(y.numel() / columns);
    const auto make_rows = [&](std::int64_t begin, std::int64_t end) {
      RowMaker<T> maker(maps, x.const_data_ptr<T>(), begin);
      for (std::int64_t row = begin; row < end; ++row) {
        maker.make(y.mutable_data_ptr<T>() + row * columns);
      }
    };
    parallel_ranges(y.numel() / columns, nanoseconds, make_rows, kLeastRows);
  });
}

}  // namespace backflow::kernels
#endif
