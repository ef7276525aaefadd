#include <backflow/ops/kernels/products/gemm.h>

#include <algorithm>
#include <cstddef>

#include <backflow/runtime/memory/memory.h>

// A product of packed panels with a register tile, after Goto and van de Geijn, Anatomy of high-performance matrix
// multiplication (2008); and the same tile on small matrices as they lie, where packing would cost more than it saves.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/products/gemm_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The register tile has 6 rows and 2 vectors of columns: 12 sums, 2 vectors of b and a broadcast element of a are 15 of
// AVX2's 16 registers. Each loaded vector of b serves 6 multiply-adds.
constexpr std::int64_t kRows = 6;
constexpr std::int64_t kVectors = 2;
// A panel of b, this deep and as wide as the tile, is 16 KiB of float64 with AVX2: it stays in the L1 cache while all
// tiles of a pass by.
constexpr std::int64_t kDepth = 256;

/// Six rows of `a`, as [depth][6]; missing rows are zero.
template <class T>
void pack_rows(const Matrix<T>& a, std::int64_t rows, std::int64_t depth, T* to) {
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t i = 0; i < kRows; ++i) {
      *to++ = i < rows ? a.at(i, k) : 0;
    }
  }
}

/// `width` columns of `b`, as [depth][width]; missing columns are zero.
template <class T>
void pack_columns(const Matrix<T>& b, std::int64_t columns, std::int64_t width, std::int64_t depth, T* to) {
  if (b.transposed) {  // along the columns of b, which are contiguous
    for (std::int64_t j = 0; j < width; ++j) {
      for (std::int64_t k = 0; k < depth; ++k) {
        to[k * width + j] = j < columns ? b.data[j * b.ld + k] : 0;
      }
    }
    return;
  }
  for (std::int64_t k = 0; k < depth; ++k, to += width) {
    std::copy_n(b.data + k * b.ld, columns, to);
    std::fill(to + columns, to + width, T{0});
  }
}

/// Where a tile's operands are: element (i, k) of a is a[i * a_row + k * a_column], row k of b starts at b + k * b_row.
template <class T>
struct Panels {
  const T* a;
  std::int64_t a_row;
  std::int64_t a_column;
  const T* b;
  std::int64_t b_row;
  std::int64_t depth;
};

/// What becomes of a tile's sums: c = [c +] alpha sum, in the first `columns` columns.
template <class T>
struct Target {
  T* c;
  std::int64_t ldc;
  std::int64_t columns;
  T alpha;
  bool add;
};

template <class D, class V, class T>
void put_row(D d, const V& v0, const V& v1, const Target<T>& to, std::int64_t i) {
  const std::size_t lanes = hn::Lanes(d);
  T* c = to.c + i * to.ldc;
  const V alpha = hn::Set(d, to.alpha);
  if (static_cast<std::size_t>(to.columns) == kVectors * lanes) {
    hn::StoreU(to.add ? hn::MulAdd(alpha, v0, hn::LoadU(d, c)) : hn::Mul(alpha, v0), d, c);
    hn::StoreU(to.add ? hn::MulAdd(alpha, v1, hn::LoadU(d, c + lanes)) : hn::Mul(alpha, v1), d, c + lanes);
    return;
  }
  // The last columns of a row: whole vectors would write beyond them.
  HWY_ALIGN T sums[kVectors * hn::MaxLanes(d)];
  HWY_ALIGN T old[kVectors * hn::MaxLanes(d)] = {};
  if (to.add) {
    std::copy_n(c, to.columns, old);
  }
  hn::Store(hn::MulAdd(alpha, v0, hn::Load(d, old)), d, sums);
  hn::Store(hn::MulAdd(alpha, v1, hn::Load(d, old + lanes)), d, sums + lanes);
  std::copy_n(sums, to.columns, c);
}

/// R rows and two vectors of columns. The sums are variables, not an array, so that each is a register; R is known to
/// the compiler, which drops the rows that are not there.
template <int R, class T>
void multiply_tile(const Panels<T>& p, const Target<T>& to) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  using V = hn::Vec<decltype(d)>;
  V c00 = hn::Zero(d), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
  V c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
  const T* a = p.a;
  const T* b = p.b;
  const std::int64_t row = p.a_row;
  for (std::int64_t k = 0; k < p.depth; ++k) {
    const V b0 = hn::LoadU(d, b);
    const V b1 = hn::LoadU(d, b + lanes);
    const auto fma = [&](std::int64_t i, V& c0, V& c1) HWY_ATTR {
      if (i < R) {
        const V x = hn::Set(d, a[i * row]);
        c0 = hn::MulAdd(x, b0, c0);
        c1 = hn::MulAdd(x, b1, c1);
      }
    };
    fma(0, c00, c01);
    fma(1, c10, c11);
    fma(2, c20, c21);
    fma(3, c30, c31);
    fma(4, c40, c41);
    fma(5, c50, c51);
    a += p.a_column;
    b += p.b_row;
  }
  const auto put = [&](std::int64_t i, const V& v0, const V& v1) HWY_ATTR {
    if (i < R) {
      put_row(d, v0, v1, to, i);
    }
  };
  put(0, c00, c01);
  put(1, c10, c11);
  put(2, c20, c21);
  put(3, c30, c31);
  put(4, c40, c41);
  put(5, c50, c51);
}

template <class T>
void multiply_rows(std::int64_t rows, const Panels<T>& p, const Target<T>& to) {
  switch (rows) {
    case 1:
      return multiply_tile<1>(p, to);
    case 2:
      return multiply_tile<2>(p, to);
    case 3:
      return multiply_tile<3>(p, to);
    case 4:
      return multiply_tile<4>(p, to);
    case 5:
      return multiply_tile<5>(p, to);
    default:
      return multiply_tile<6>(p, to);
  }
}

/// Large matrices: every panel of a and b is packed. All rows of a are packed once for each depth, and one panel of b
/// at a time: a is read again for each panel of b, contiguously.
template <class T>
void gemm_packed(const Product<T>& p) {
  const hn::ScalableTag<T> d;
  const auto width = kVectors * static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t tiles = (p.m + kRows - 1) / kRows;
  const std::size_t bytes = static_cast<std::size_t>((tiles * kRows + width) * kDepth) * sizeof(T);
  auto* columns = static_cast<T*>(allocate(bytes));
  T* rows = columns + width * kDepth;
  for (std::int64_t k0 = 0; k0 < p.k; k0 += kDepth) {
    const std::int64_t depth = std::min(kDepth, p.k - k0);
    for (std::int64_t t = 0; t < tiles; ++t) {
      pack_rows(p.a.from(t * kRows, k0), std::min(kRows, p.m - t * kRows), depth, rows + t * kRows * kDepth);
    }
    for (std::int64_t j0 = 0; j0 < p.n; j0 += width) {
      const std::int64_t nj = std::min(width, p.n - j0);
      pack_columns(p.b.from(k0, j0), nj, width, depth, columns);
      for (std::int64_t t = 0; t < tiles; ++t) {
        multiply_rows<T>(std::min(kRows, p.m - t * kRows), {rows + t * kRows * kDepth, 1, kRows, columns, width, depth},
                         {p.c + t * kRows * p.ldc + j0, p.ldc, nj, p.alpha, p.accumulate || k0 > 0});
      }
    }
  }
  deallocate(columns, bytes);
}

/// Small matrices: only columns of b that do not fill the vectors, or are not beside each other, are packed.
template <class T>
void gemm_unpacked(const Product<T>& p) {
  const hn::ScalableTag<T> d;
  const auto width = kVectors * static_cast<std::int64_t>(hn::Lanes(d));
  HWY_ALIGN T packed[static_cast<std::size_t>(kDepth * kVectors) * hn::MaxLanes(d)];
  for (std::int64_t k0 = 0; k0 < p.k; k0 += kDepth) {
    const std::int64_t depth = std::min(kDepth, p.k - k0);
    for (std::int64_t j0 = 0; j0 < p.n; j0 += width) {
      const std::int64_t nj = std::min(width, p.n - j0);
      const Matrix<T> b = p.b.from(k0, j0);
      const bool as_it_lies = !b.transposed && nj == width;
      if (!as_it_lies) {
        pack_columns(b, nj, width, depth, packed);
      }
      for (std::int64_t i0 = 0; i0 < p.m; i0 += kRows) {
        const Matrix<T> a = p.a.from(i0, k0);
        multiply_rows<T>(
            std::min(kRows, p.m - i0),
            {a.data, a.row_stride(), a.column_stride(), as_it_lies ? b.data : packed, as_it_lies ? b.ld : width, depth},
            {p.c + i0 * p.ldc + j0, p.ldc, nj, p.alpha, p.accumulate || k0 > 0});
      }
    }
  }
}

void small_float(const Product<float>& p) { gemm_unpacked(p); }
void small_double(const Product<double>& p) { gemm_unpacked(p); }
void packed_double(const Product<double>& p) { gemm_packed(p); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(small_float);
HWY_EXPORT(small_double);
HWY_EXPORT(packed_double);

void gemm_small(const Product<float>& p) { HWY_DYNAMIC_DISPATCH(small_float)(p); }
void gemm_small(const Product<double>& p) { HWY_DYNAMIC_DISPATCH(small_double)(p); }

void gemm_serial(const Product<double>& p) {
  if (p.m == 1 || p.n == 1) {
    gemm_vector(p);
  } else if (p.m * p.n * p.k <= kSmallProduct) {
    gemm_small(p);
  } else {
    HWY_DYNAMIC_DISPATCH(packed_double)(p);
  }
}

}  // namespace backflow::kernels
#endif
