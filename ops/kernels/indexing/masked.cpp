// Elements that a mask chooses, put one after the other and back.
#include <backflow/ops/kernels/indexing/masked.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/runs.h>

namespace backflow::kernels {
namespace {

/// The true elements among [begin, end), eight bytes, each 0 or 1, at a time.
std::int64_t count_true(const bool* mask, std::int64_t begin, std::int64_t end) {
  std::int64_t count = 0;
  std::int64_t i = begin;
  for (; i + 8 <= end; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, mask + i, 8);
    count += std::popcount(word);
  }
  return count + std::count(mask + i, mask + end, true);
}

/// Counts the true elements of a mask range by range, so that each range's place among them is known. Counts are exact,
/// so the cut is free.
class TrueElements {
 public:
  explicit TrueElements(const Tensor& mask)
      : mask_(mask.const_data_ptr<bool>()),
        numel_(mask.numel()),
        ranges_(free_pieces(chunks_of(numel_, kRangeStep), kNanoseconds * static_cast<double>(numel_))),
        before_(static_cast<std::size_t>(ranges_) + 1) {
    parallel_for(ranges_, [&](std::int64_t range) {
      before_[static_cast<std::size_t>(range) + 1] = count_true(mask_, begin(range), begin(range + 1));
    });
    for (std::size_t i = 1; i < before_.size(); ++i) {
      before_[i] += before_[i - 1];
    }
  }

  std::int64_t count() const { return before_.back(); }

  /// Calls f(i, k) for element i, which is the k-th true one or comes before that.
  template <class F>
  void for_each(const F& f) const {
    parallel_for(ranges_, [&](std::int64_t range) {
      const bool* const mask = mask_;
      const std::int64_t last = before_[static_cast<std::size_t>(range) + 1];
      std::int64_t i = begin(range);
      // Without a branch on the mask, which cannot be predicted.
#pragma GCC unroll 4
      for (std::int64_t k = before_[static_cast<std::size_t>(range)]; k < last; ++i) {
        f(i, k);
        k += mask[i] ? 1 : 0;
      }
    });
  }
  /// Calls f(i, k) for the k-th true element, i.
  template <class F>
  void for_each_true(const F& f) const {
    for_each([&](std::int64_t i, std::int64_t k) {
      if (mask_[i]) {
        f(i, k);
      }
    });
  }

 private:
  static constexpr double kNanoseconds = 1;  // of an element

  std::int64_t begin(std::int64_t range) const { return begin_of_piece(range, ranges_, numel_, kRangeStep); }

  const bool* mask_;
  std::int64_t numel_;
  std::int64_t ranges_;
  std::vector<std::int64_t> before_;
};

}  // namespace

Tensor true_places(const Tensor& mask) {
  const TrueElements elements(mask);
  Tensor y = empty_tensor(elements.count(), kInt64);
  elements.for_each([to = y.mutable_data_ptr<std::int64_t>()](std::int64_t i, std::int64_t k) { to[k] = i; });
  return y;
}

Tensor compact(const Tensor& x, const Tensor& mask) {
  const TrueElements elements(mask);
  Tensor y = empty_tensor(elements.count(), x.scalar_type());
  detail::dispatch_width(x.scalar_type(), [&](auto zero) {
    using U = decltype(zero);
    elements.for_each([to = detail::bits_of<U>(y), from = detail::bits_of<U>(x)](std::int64_t i, std::int64_t k) {
      to[k] = from[i];
    });
  });
  return y;
}

void spread(const char* where, const Tensor& y, const Tensor& mask, const Tensor& x) {
  const TrueElements elements(mask);
  check(elements.count() <= x.numel(), where, ": source ", describe(x), ", but ", elements.count(),
        " elements of the mask are true: need as many");
  detail::dispatch_width(y.scalar_type(), [&](auto zero) {
    using U = decltype(zero);
    elements.for_each_true([to = detail::bits_of<U>(y), from = detail::bits_of<U>(x)](std::int64_t i, std::int64_t k) {
      to[i] = from[k];
    });
  });
}

}  // namespace backflow::kernels
