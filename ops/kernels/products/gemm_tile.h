// The register tile of the matrix products; compiled once for each instruction set.
#if defined(BACKFLOW_GEMM_TILE_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_GEMM_TILE_TOGGLE
#undef BACKFLOW_GEMM_TILE_TOGGLE
#else
#define BACKFLOW_GEMM_TILE_TOGGLE
#endif

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>
// After highway.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/products/gemm_packing.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A tile has kRows rows and 2 vectors of columns. 8 rows are 16 sums: enough to hide the latency of two multiply-adds a
// cycle, and a divisor of most sizes. 12 and 14 rows were no faster. With 16 registers 6 rows is what fits.
#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
constexpr std::int64_t kRows = 6;
#else
constexpr std::int64_t kRows = 8;
#endif
constexpr std::int64_t kVectors = 2;

template <class T>
std::int64_t tile_width() {
  return kVectors * static_cast<std::int64_t>(hn::Lanes(hn::ScalableTag<T>()));
}

/// Where the operands of a column of tiles are: element (i, k) of a tile's a is a[i * a_row + k * a_column], one of
/// these being 1, and the next tile's a starts a_tile further. Row k of b starts at b + k * b_row.
template <class T>
struct Panels {
  const T* a;
  std::int64_t a_row;
  std::int64_t a_column;
  std::int64_t a_tile;
  const T* b;
  std::int64_t b_row;
  std::int64_t depth;
};

/// What becomes of the sums: c = [c +] alpha sum, in `rows` rows and the first `columns` columns. Element (i, j) is
/// c[i * c_row + j * c_column]; one of these is 1.
template <class T>
struct Target {
  T* c;
  std::int64_t c_row;
  std::int64_t c_column;
  std::int64_t rows;
  std::int64_t columns;
  T alpha;
  bool add;
};

/// c = [c +] alpha sum for n elements side by side.
template <class T>
HWY_INLINE void put_line(const T* sums, std::int64_t n, const Target<T>& to, T* c) {
  const hn::CappedTag<T, static_cast<std::size_t>(kRows)> d;
  const hn::CappedTag<T, 1> d1;  // rounds as vectors do
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto sum = hn::LoadU(d, sums + i);
    const auto alpha = hn::Set(d, to.alpha);
    hn::StoreU(to.add ? hn::MulAdd(alpha, sum, hn::LoadU(d, c + i)) : hn::Mul(alpha, sum), d, c + i);
  }
  for (; i < n; ++i) {
    const auto sum = hn::LoadU(d1, sums + i);
    const auto alpha = hn::Set(d1, to.alpha);
    hn::StoreU(to.add ? hn::MulAdd(alpha, sum, hn::LoadU(d1, c + i)) : hn::Mul(alpha, sum), d1, c + i);
  }
}

/// A tile whose columns are contiguous in c, or that is wider than what is left of c. Its sums are rows of `width`.
template <class T>
HWY_NOINLINE void put_sums(const T* sums, std::int64_t width, std::int64_t rows, const Target<T>& to) {
  if (to.c_column == 1) {
    for (std::int64_t i = 0; i < rows; ++i) {
      put_line(sums + i * width, to.columns, to, to.c + i * to.c_row);
    }
    return;
  }
  HWY_ALIGN T lines[kRows * kVectors * hn::MaxLanes(hn::ScalableTag<T>())];
  pack_lines(hn::CappedTag<T, 16 / sizeof(T)>(), sums, width, rows, to.columns, lines, rows);
  for (std::int64_t j = 0; j < to.columns; ++j) {
    put_line(lines + j * rows, rows, to, to.c + j * to.c_column);
  }
}

/// Row i of a tile, if there is one: c = [c +] alpha sum.
template <bool kIsThere, bool kWide, class D, class V, class T>
HWY_INLINE void put_row(D d, const V& sum0, const V& sum1, const V& alpha, bool add, T* c) {
  if (kIsThere) {
    const std::size_t lanes = hn::Lanes(d);
    hn::StoreU(add ? hn::MulAdd(alpha, sum0, hn::LoadU(d, c)) : hn::Mul(alpha, sum0), d, c);
    if (kWide) {
      hn::StoreU(add ? hn::MulAdd(alpha, sum1, hn::LoadU(d, c + lanes)) : hn::Mul(alpha, sum1), d, c + lanes);
    }
  }
}
template <bool kIsThere, bool kWide, class D, class V, class T>
HWY_INLINE void fma_row(D d, const T* a, const V& b0, const V& b1, V& c0, V& c1) {
  if (kIsThere) {
    const V x = hn::Set(d, *a);
    c0 = hn::MulAdd(x, b0, c0);
    if (kWide) {
      c1 = hn::MulAdd(x, b1, c1);
    }
  }
}

/// How a tile reads its operands. kRowsApart: a has rows that are contiguous, else columns. kPacks: b lies in a matrix,
/// and is packed on the way; the two stores are hidden behind the multiply-adds.
enum class TileKind : std::uint8_t { kPlain, kRowsApart, kPacks, kRowsApartPacks };

/// R rows, and one vector of D, or two, of columns. The sums are variables, not an array, so that each is a register; R
/// is known to the compiler, which drops the rows that are not there. So is one of a's strides: a tile has few
/// registers for addresses.
template <int R, bool kWide, TileKind kKind, class D, class T>
HWY_INLINE void multiply_tile(D d, const Panels<T>& p, const Target<T> to, [[maybe_unused]] T* packed) {
  constexpr bool kApart = kKind == TileKind::kRowsApart || kKind == TileKind::kRowsApartPacks;
  constexpr bool kPacks = kKind == TileKind::kPacks || kKind == TileKind::kRowsApartPacks;
  const std::size_t lanes = hn::Lanes(d);
  using V = hn::Vec<D>;
  V c00 = hn::Zero(d), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  V c40 = c00, c41 = c00, c50 = c00, c51 = c00, c60 = c00, c61 = c00, c70 = c00, c71 = c00;
  for (std::int64_t i = 0; i < R && to.c_column == 1; ++i) {
    __builtin_prefetch(to.c + i * to.c_row, 1);
    if (kWide) {
      __builtin_prefetch(to.c + i * to.c_row + lanes, 1);
    }
  }
  const T* a = p.a;
  const T* b = p.b;
  const std::int64_t row = kApart ? p.a_row : 1;
  const std::int64_t column = kApart ? 1 : p.a_column;
  for (std::int64_t k = 0; k < p.depth; ++k) {
    const V b0 = hn::LoadU(d, b);
    const V b1 = kWide ? hn::LoadU(d, b + lanes) : b0;
    if (kPacks) {
      hn::Store(b0, d, packed);
      hn::Store(b1, d, packed + lanes);
      packed += 2 * lanes;
      // This panel further down, and the next one, which lies beside it. No prefetcher of the processor sees a line or
      // two in each row; into the L2 cache they come at twice the speed of hints for the L1 cache.
      __builtin_prefetch(b + 16 * p.b_row, 0, 2);
      __builtin_prefetch(b + 16 * p.b_row + lanes, 0, 2);
      __builtin_prefetch(b + 2 * lanes, 0, 2);
      __builtin_prefetch(b + 3 * lanes, 0, 2);
    }
    if (!kApart) {
      __builtin_prefetch(a + 4 * p.a_tile, 0, 2);
    }
    fma_row<(R > 0), kWide>(d, a, b0, b1, c00, c01);
    fma_row<(R > 1), kWide>(d, a + row, b0, b1, c10, c11);
    fma_row<(R > 2), kWide>(d, a + 2 * row, b0, b1, c20, c21);
    fma_row<(R > 3), kWide>(d, a + 3 * row, b0, b1, c30, c31);
    fma_row<(R > 4), kWide>(d, a + 4 * row, b0, b1, c40, c41);
    fma_row<(R > 5), kWide>(d, a + 5 * row, b0, b1, c50, c51);
    fma_row<(R > 6), kWide>(d, a + 6 * row, b0, b1, c60, c61);
    fma_row<(R > 7), kWide>(d, a + 7 * row, b0, b1, c70, c71);
    a += column;
    b += p.b_row;
  }
  HWY_ALIGN T sums[kRows * kVectors * hn::MaxLanes(d)];
  const bool is_whole = to.c_column == 1 && to.columns == static_cast<std::int64_t>(kWide ? 2 * lanes : lanes);
  T* c = is_whole ? to.c : sums;
  const std::int64_t ldc = is_whole ? to.c_row : static_cast<std::int64_t>(2 * lanes);
  const V alpha = hn::Set(d, is_whole ? to.alpha : T{1});
  const bool add = is_whole && to.add;
  put_row<(R > 0), kWide>(d, c00, c01, alpha, add, c);
  put_row<(R > 1), kWide>(d, c10, c11, alpha, add, c + ldc);
  put_row<(R > 2), kWide>(d, c20, c21, alpha, add, c + 2 * ldc);
  put_row<(R > 3), kWide>(d, c30, c31, alpha, add, c + 3 * ldc);
  put_row<(R > 4), kWide>(d, c40, c41, alpha, add, c + 4 * ldc);
  put_row<(R > 5), kWide>(d, c50, c51, alpha, add, c + 5 * ldc);
  put_row<(R > 6), kWide>(d, c60, c61, alpha, add, c + 6 * ldc);
  put_row<(R > 7), kWide>(d, c70, c71, alpha, add, c + 7 * ldc);
  if (!is_whole) {
    put_sums(sums, ldc, R, to);
  }
}

/// A column of tiles; the last ones have fewer rows.
template <bool kWide, TileKind kKind, class D, class T>
HWY_NOINLINE void multiply_panel(D d, Panels<T> p, Target<T> to) {
  for (; to.rows >= kRows; to.rows -= kRows) {
    multiply_tile<kRows, kWide, kKind>(d, p, to, static_cast<T*>(nullptr));
    p.a += p.a_tile;
    to.c += kRows * to.c_row;
  }
  if (to.rows & 4) {
    multiply_tile<4, kWide, kKind>(d, p, to, static_cast<T*>(nullptr));
    p.a += 4 * p.a_row;
    to.c += 4 * to.c_row;
  }
  if (to.rows & 2) {
    multiply_tile<2, kWide, kKind>(d, p, to, static_cast<T*>(nullptr));
    p.a += 2 * p.a_row;
    to.c += 2 * to.c_row;
  }
  if (to.rows & 1) {
    multiply_tile<1, kWide, kKind>(d, p, to, static_cast<T*>(nullptr));
  }
}

template <bool kWide, class D, class T>
void multiply_columns(D d, const Panels<T>& p, const Target<T>& to) {
  p.a_row == 1 ? multiply_panel<kWide, TileKind::kPlain>(d, p, to)
               : multiply_panel<kWide, TileKind::kRowsApart>(d, p, to);
}

/// How many columns the tiles compute for so many of them.
template <class T>
std::int64_t computed_columns(std::int64_t columns) {
  std::int64_t computed = tile_width<T>();
  while (computed > 4 && computed / 2 >= columns) {
    computed /= 2;
  }
  return computed;
}

/// tile_width() columns at most.
template <class T>
void multiply(const Panels<T>& p, const Target<T>& to) {
  const hn::ScalableTag<T> d;
  const std::int64_t computed = computed_columns<T>(to.columns);
  if (computed > static_cast<std::int64_t>(hn::Lanes(d))) {
    multiply_columns<true>(d, p, to);
  } else if (computed > 8) {
    multiply_columns<false>(d, p, to);
  } else if (computed > 4) {
    multiply_columns<false>(hn::CappedTag<T, 8>(), p, to);
  } else {
    multiply_columns<false>(hn::CappedTag<T, 4>(), p, to);
  }
}

/// The first kRows rows and tile_width() columns, of a b in a matrix, which is packed on the way.
template <class T>
HWY_NOINLINE void multiply_and_pack(const Panels<T>& p, const Target<T>& to, T* packed) {
  const hn::ScalableTag<T> d;
  p.a_row == 1 ? multiply_tile<kRows, true, TileKind::kPacks>(d, p, to, packed)
               : multiply_tile<kRows, true, TileKind::kRowsApartPacks>(d, p, to, packed);
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BACKFLOW_GEMM_TILE_TOGGLE
