#include <backflow/ops/kernels/creation/dropout.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include <backflow/ops/kernels/creation/dropout_loops.h>
#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/runtime/base/philox.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/creation/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

/// The words of a group.
HWY_INLINE void words_of_group(std::uint64_t group, std::uint64_t seed, std::uint64_t stream, std::uint32_t* words) {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  for (std::size_t j = 0; j < 16; ++j) {
    const Philox4x32::Counter block =
        Philox4x32::block({low(16 * group + j), high(16 * group), low(stream), high(stream)}, {low(seed), high(seed)});
    for (std::size_t k = 0; k < 4; ++k) {
      words[16 * k + j] = block[k];
    }
  }
}

#else

/// The high and the low half of x m, lane by lane.
template <class D, class V>
HWY_INLINE void multiply(D d, V x, V m, V& high, V& low) {
  const hn::RepartitionToWide<D> wide;
  const auto even = hn::MulEven(x, m);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, x))), m);
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
}

/// The words of a group: Philox4x32::block (runtime/base/philox.h) of 16 counters.
HWY_INLINE void words_of_group(std::uint64_t group, std::uint64_t seed, std::uint64_t stream, std::uint32_t* words) {
  const hn::CappedTag<std::uint32_t, 16> d;
  const auto low = [d](std::uint64_t v) { return hn::Set(d, static_cast<std::uint32_t>(v)); };
  const auto high = [d](std::uint64_t v) { return hn::Set(d, static_cast<std::uint32_t>(v >> 32)); };
  for (std::size_t j = 0; j < 16; j += hn::Lanes(d)) {
    auto c0 = hn::Add(low(16 * group + j), hn::Iota(d, 0));
    auto c1 = high(16 * group);
    auto c2 = low(stream);
    auto c3 = high(stream);
    auto k0 = low(seed);
    auto k1 = high(seed);
    for (int round = 0; round < 10; ++round) {
      auto high0 = c0, low0 = c0, high1 = c0, low1 = c0;
      multiply(d, c0, hn::Set(d, 0xD2511F53U), high0, low0);
      multiply(d, c2, hn::Set(d, 0xCD9E8D57U), high1, low1);
      c0 = hn::Xor(hn::Xor(high1, c1), k0);
      c1 = low1;
      c2 = hn::Xor(hn::Xor(high0, c3), k1);
      c3 = low0;
      k0 = hn::Add(k0, hn::Set(d, 0x9E3779B9U));
      k1 = hn::Add(k1, hn::Set(d, 0xBB67AE85U));
    }
    hn::StoreU(c0, d, words + j);
    hn::StoreU(c1, d, words + 16 + j);
    hn::StoreU(c2, d, words + 32 + j);
    hn::StoreU(c3, d, words + 48 + j);
  }
}

#endif

void fill_words(std::uint64_t group, std::uint64_t seed, std::uint64_t stream, std::uint32_t* words) {
  words_of_group(group, seed, stream, words);
}

/// Whether the words of the lanes are at least `least`, as a mask of D's lanes.
template <class D>
HWY_INLINE auto kept(D d, const std::uint32_t* words, std::uint32_t least) {
  const hn::Rebind<std::uint32_t, D> narrow;
  const auto w = hn::LoadU(narrow, words);
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return hn::RebindMask(d, hn::Eq(hn::Max(w, hn::Set(narrow, least)), w));
  } else {
    const hn::Rebind<std::uint64_t, D> wide;
    const auto v = hn::PromoteTo(wide, w);
    return hn::RebindMask(d, hn::Eq(hn::Max(v, hn::Set(wide, least)), v));
  }
}

/// A group whose features are elements.
template <class T>
HWY_INLINE void group_of_elements(const T* x, T* y, const std::uint32_t* words, std::uint32_t least,
                                  const Dropping& rule) {
  const hn::ScalableTag<T> d;
  const auto scale = hn::Set(d, static_cast<T>(rule.scale));
  const auto shift = hn::Set(d, static_cast<T>(rule.shift));
  const auto dropped = hn::Set(d, static_cast<T>(rule.dropped));
  for (std::size_t k = 0; k < kFeaturesOfGroup; k += hn::Lanes(d)) {
    const auto value = hn::MulAdd(hn::LoadU(d, x + k), scale, shift);
    hn::StoreU(hn::IfThenElse(kept(d, words + k, least), value, dropped), d, y + k);
  }
}

template <class S>
void elements(const S* x, S* y, std::int64_t first, std::int64_t n, std::uint32_t least, const Dropping& rule) {
  using T = std::conditional_t<std::is_same_v<S, BFloat16>, float, S>;
  alignas(64) std::uint32_t words[kFeaturesOfGroup];
  alignas(64) T piece[kFeaturesOfGroup] = {};
  for (std::int64_t i = 0; i < n; i += kFeaturesOfGroup) {
    words_of_group(static_cast<std::uint64_t>((first + i) / kFeaturesOfGroup), rule.seed, rule.stream, words);
    const std::int64_t count = std::min(kFeaturesOfGroup, n - i);
    if constexpr (std::is_same_v<S, T>) {
      if (count == kFeaturesOfGroup) {
        group_of_elements(x + i, y + i, words, least, rule);
        continue;
      }
    }
    for (std::int64_t k = 0; k < count; ++k) {
      piece[k] = static_cast<T>(x[i + k]);
    }
    group_of_elements(piece, piece, words, least, rule);
    for (std::int64_t k = 0; k < count; ++k) {
      y[i + k] = static_cast<S>(piece[k]);
    }
  }
}

template <class S>
void feature(const S* x, S* y, std::int64_t n, bool is_kept, const Dropping& rule) {
  using T = std::conditional_t<std::is_same_v<S, BFloat16>, float, S>;
  if (!is_kept) {
    std::fill_n(y, n, static_cast<S>(static_cast<T>(rule.dropped)));
    return;
  }
  const T scale = static_cast<T>(rule.scale);
  const T shift = static_cast<T>(rule.shift);
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<S>(static_cast<T>(x[i]) * scale + shift);
  }
}

template <class S>
const DropLoops<S>* loops_of() {
  static constexpr DropLoops<S> kLoops = {elements<S>, feature<S>};
  return &kLoops;
}

const DropLoops<float>* float_drop() { return loops_of<float>(); }
const DropLoops<double>* double_drop() { return loops_of<double>(); }
const DropLoops<BFloat16>* bfloat16_drop() { return loops_of<BFloat16>(); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(fill_words);
HWY_EXPORT(float_drop);
HWY_EXPORT(double_drop);
HWY_EXPORT(bfloat16_drop);

namespace {

const DropLoops<float>& drop_loops(float) { return *HWY_DYNAMIC_DISPATCH(float_drop)(); }
const DropLoops<double>& drop_loops(double) { return *HWY_DYNAMIC_DISPATCH(double_drop)(); }
const DropLoops<BFloat16>& drop_loops(BFloat16) { return *HWY_DYNAMIC_DISPATCH(bfloat16_drop)(); }

/// Calls f(S{}) with the type of the elements.
template <class F>
void dispatch_storage(ScalarType dtype, const F& f) {
  dtype == kFloat32 ? f(float{}) : dtype == kFloat64 ? f(double{}) : f(BFloat16{});
}

}  // namespace

void drop(const Tensor& y, const Tensor& x, std::int64_t feature_size, const Dropping& rule) {
  const auto least = static_cast<std::uint32_t>(std::min(std::ceil(rule.p * 0x1p32), 0x1p32 - 1));
  dispatch_storage(x.scalar_type(), [&](auto zero) {
    using S = decltype(zero);
    const S* const from = x.const_data_ptr<S>();
    S* const to = y.mutable_data_ptr<S>();
    // Words follow from an element's number: the cut is free.
    constexpr double kOfWord = 0.5;  // nanoseconds
    constexpr double kOfElement = 2 * sizeof(S) * kNanosecondsPerByte;
    if (feature_size == 1) {
      const auto loop = drop_loops(zero).elements;
      static_assert(kRangeStep % kFeaturesOfGroup == 0);
      for_each_range_of(x.numel(), kOfWord + kOfElement, [&](std::int64_t begin, std::int64_t end) {
        loop(from + begin, to + begin, begin, end - begin, least, rule);
      });
      return;
    }
    const auto loop = drop_loops(zero).feature;
    const std::int64_t features = x.numel() / feature_size;
    const double nanoseconds = kOfWord * static_cast<double>(features) + kOfElement * static_cast<double>(x.numel());
    parallel_ranges(features, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
      alignas(64) std::uint32_t words[kFeaturesOfGroup];
      for (std::int64_t i = begin; i < end; ++i) {
        if (i == begin || i % kFeaturesOfGroup == 0) {
          HWY_DYNAMIC_DISPATCH(fill_words)
          (static_cast<std::uint64_t>(i / kFeaturesOfGroup), rule.seed, rule.stream, words);
        }
        loop(from + i * feature_size, to + i * feature_size, feature_size, words[i % kFeaturesOfGroup] >= least, rule);
      }
    });
  });
}

}  // namespace backflow::kernels
#endif
