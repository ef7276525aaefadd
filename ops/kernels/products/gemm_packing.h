// Packed panels of the operands of matrix products; compiled once for each instruction set.
#if defined(BACKFLOW_GEMM_PACKING_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_GEMM_PACKING_TOGGLE
#undef BACKFLOW_GEMM_PACKING_TOGGLE
#else
#define BACKFLOW_GEMM_PACKING_TOGGLE
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

#include <backflow/ops/kernels/products/gemm.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
/// Transposes each square of 4 x 4 (2 x 2 for float64) elements of 4 (2) vectors: those of a block of 16 bytes.
template <class D, class V>
HWY_INLINE void transpose_in_blocks(D d, V* v, const float*) {
  const hn::RepartitionToWide<D> d2;
  const auto q0 = hn::BitCast(d2, hn::InterleaveLower(d, v[0], v[1]));
  const auto q1 = hn::BitCast(d2, hn::InterleaveUpper(d, v[0], v[1]));
  const auto q2 = hn::BitCast(d2, hn::InterleaveLower(d, v[2], v[3]));
  const auto q3 = hn::BitCast(d2, hn::InterleaveUpper(d, v[2], v[3]));
  v[0] = hn::BitCast(d, hn::InterleaveLower(d2, q0, q2));
  v[1] = hn::BitCast(d, hn::InterleaveUpper(d2, q0, q2));
  v[2] = hn::BitCast(d, hn::InterleaveLower(d2, q1, q3));
  v[3] = hn::BitCast(d, hn::InterleaveUpper(d2, q1, q3));
}
template <class D, class V>
HWY_INLINE void transpose_in_blocks(D d, V* v, const double*) {
  const V low = hn::InterleaveLower(d, v[0], v[1]);
  v[1] = hn::InterleaveUpper(d, v[0], v[1]);
  v[0] = low;
}

/// Exchanges block j of v[i * step] with block i of v[j * step]; a vector has 1, 2 or 4 blocks of 16 bytes.
template <std::size_t kBlocks, class D, class V>
HWY_INLINE void transpose_blocks(D d, V* v, std::size_t step) {
  if constexpr (kBlocks == 2) {
    const V low = hn::ConcatLowerLower(d, v[step], v[0]);
    v[step] = hn::ConcatUpperUpper(d, v[step], v[0]);
    v[0] = low;
  } else if constexpr (kBlocks == 4) {
    const V t0 = hn::ConcatLowerLower(d, v[2 * step], v[0]);
    const V t1 = hn::ConcatLowerLower(d, v[3 * step], v[step]);
    const V t2 = hn::ConcatUpperUpper(d, v[2 * step], v[0]);
    const V t3 = hn::ConcatUpperUpper(d, v[3 * step], v[step]);
    v[0] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(t1), t0);
    v[step] = hn::OddEvenBlocks(t1, hn::SwapAdjacentBlocks(t0));
    v[2 * step] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(t3), t2);
    v[3 * step] = hn::OddEvenBlocks(t3, hn::SwapAdjacentBlocks(t2));
  }
}

/// to[k * width + j] = from[j * ld + k] for as many j and k as a vector has lanes. Each line of the source is touched
/// once: rows that are 4 KiB apart share one set of the L1 cache, which would lose them in between.
template <class D, class T>
HWY_INLINE void transpose_square(D d, const T* from, std::int64_t ld, T* to, std::int64_t width) {
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  constexpr std::size_t kOfBlock = 16 / sizeof(T);
  constexpr std::size_t kBlocks = kLanes / kOfBlock;
  hn::Vec<D> v[kLanes];
  for (std::size_t j = 0; j < kLanes; ++j) {
    v[j] = hn::LoadU(d, from + static_cast<std::int64_t>(j) * ld);
  }
  for (std::size_t b = 0; b < kBlocks; ++b) {
    transpose_in_blocks(d, v + b * kOfBlock, from);
  }
  for (std::size_t i = 0; i < kOfBlock; ++i) {
    transpose_blocks<kBlocks>(d, v + i, kOfBlock);
  }
  for (std::size_t k = 0; k < kLanes; ++k) {
    hn::StoreU(v[k], d, to + static_cast<std::int64_t>(k) * width);
  }
}

/// to[k * width + j] = from[j * ld + k] for `count` j, a multiple of D's lanes; returns how many k it has done.
template <class D, class T>
HWY_INLINE std::int64_t transpose_squares(D d, const T* from, std::int64_t ld, std::int64_t count, std::int64_t depth,
                                          T* to, std::int64_t width) {
  const auto lanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  std::int64_t k = 0;
  for (; k + lanes <= depth; k += lanes) {
    for (std::int64_t j = 0; j < count; j += lanes) {
      transpose_square(d, from + j * ld + k, ld, to + k * width + j, width);
    }
  }
  return k;
}
#else
template <class D, class T>
std::int64_t transpose_squares(D, const T*, std::int64_t, std::int64_t, std::int64_t, T*, std::int64_t) {
  return 0;
}
#endif

/// to[k * width + j] = from[j * ld + k] for j < count and k < depth, and 0 for j from there to width.
template <class D, class T>
void pack_lines(D d, const T* from, std::int64_t ld, std::int64_t count, std::int64_t depth, T* to,
                std::int64_t width) {
  const std::int64_t vectors = count - count % static_cast<std::int64_t>(hn::MaxLanes(d));
  const std::int64_t done = transpose_squares(d, from, ld, vectors, depth, to, width);
  for (std::int64_t k = done; k < depth; ++k) {
    for (std::int64_t j = 0; j < vectors; ++j) {
      to[k * width + j] = from[j * ld + k];
    }
  }
  for (std::int64_t j = vectors; j < width; ++j) {
    for (std::int64_t k = 0; k < depth; ++k) {
      to[k * width + j] = j < count ? from[j * ld + k] : 0;
    }
  }
}

/// to[k * width + j] = element (k, j) of b for j < count and k < depth, and 0 for j from there to width.
template <class D, class T>
void pack(D d, const Matrix<T>& b, std::int64_t count, std::int64_t depth, T* to, std::int64_t width) {
  if (b.transposed) {
    pack_lines(d, b.data, b.ld, count, depth, to, width);
    return;
  }
  for (std::int64_t k = 0; k < depth; ++k, to += width) {
    std::copy_n(b.data + k * b.ld, count, to);
    std::fill(to + count, to + width, T{0});
  }
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BACKFLOW_GEMM_PACKING_TOGGLE
