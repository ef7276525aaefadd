#include <backflow/ops/kernels/gemm.h>

#include <algorithm>
#include <cstddef>

#include <backflow/runtime/memory.h>

// oneDNN has no float64. A product of packed panels with a register tile, after Goto and van de Geijn, Anatomy of
// high-performance matrix multiplication (2008).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/gemm_f64.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kRows = 6;     // of the register tile
constexpr std::int64_t kVectors = 2;  // columns of the register tile, in vectors
constexpr std::int64_t kDepth = 256;  // of a panel

/// Six rows of `a` from column k0 on, as [depth][6]; missing rows are zero.
void pack_rows(const Matrix<double>& a, std::int64_t rows, std::int64_t depth, double* to) {
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t i = 0; i < kRows; ++i) {
      *to++ = i < rows ? a.at(i, k) : 0;
    }
  }
}

/// `width` columns of `b`, as [depth][width]; missing columns are zero.
void pack_columns(const Matrix<double>& b, std::int64_t columns, std::int64_t width, std::int64_t depth, double* to) {
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t j = 0; j < width; ++j) {
      *to++ = j < columns ? b.at(k, j) : 0;
    }
  }
}

/// tile [6, width] = panel of a times panel of b.
void multiply_tile(const double* a, const double* b, std::int64_t depth, double* tile) {
  const hn::ScalableTag<double> d;
  const std::size_t lanes = hn::Lanes(d);
  using V = hn::Vec<decltype(d)>;
  V c00 = hn::Zero(d), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
  V c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
  for (std::int64_t k = 0; k < depth; ++k) {
    const V b0 = hn::Load(d, b);
    const V b1 = hn::Load(d, b + lanes);
    const auto row = [&](std::int64_t i, V& c0, V& c1) HWY_ATTR {
      const V x = hn::Set(d, a[i]);
      c0 = hn::MulAdd(x, b0, c0);
      c1 = hn::MulAdd(x, b1, c1);
    };
    row(0, c00, c01);
    row(1, c10, c11);
    row(2, c20, c21);
    row(3, c30, c31);
    row(4, c40, c41);
    row(5, c50, c51);
    a += kRows;
    b += kVectors * lanes;
  }
  for (const V& v : {c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51}) {
    hn::Store(v, d, tile);
    tile += lanes;
  }
}

void gemm_double(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<double> a, Matrix<double> b, double* c,
                 std::int64_t ldc, bool accumulate) {
  const hn::ScalableTag<double> d;
  const auto width = kVectors * static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t tiles = (m + kRows - 1) / kRows;
  const std::size_t bytes = static_cast<std::size_t>((tiles * kRows + width) * kDepth + kRows * width) * sizeof(double);
  auto* columns = static_cast<double*>(allocate(bytes));
  double* rows = columns + width * kDepth;
  double* tile = rows + tiles * kRows * kDepth;
  for (std::int64_t k0 = 0; k0 < k; k0 += kDepth) {
    const std::int64_t depth = std::min(kDepth, k - k0);
    for (std::int64_t t = 0; t < tiles; ++t) {
      pack_rows(a.from(t * kRows, k0), std::min(kRows, m - t * kRows), depth, rows + t * kRows * kDepth);
    }
    const bool add = accumulate || k0 > 0;
    for (std::int64_t j0 = 0; j0 < n; j0 += width) {
      const std::int64_t nj = std::min(width, n - j0);
      pack_columns(b.from(k0, j0), nj, width, depth, columns);
      for (std::int64_t t = 0; t < tiles; ++t) {
        multiply_tile(rows + t * kRows * kDepth, columns, depth, tile);
        for (std::int64_t i = 0; i < std::min(kRows, m - t * kRows); ++i) {
          double* out = c + (t * kRows + i) * ldc + j0;
          for (std::int64_t j = 0; j < nj; ++j) {
            out[j] = add ? out[j] + tile[i * width + j] : tile[i * width + j];
          }
        }
      }
    }
  }
  deallocate(columns, bytes);
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(gemm_double);

void gemm_serial(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<double> a, Matrix<double> b, double* c,
                 std::int64_t ldc, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(gemm_double)(m, n, k, a, b, c, ldc, accumulate);
}

}  // namespace backflow::kernels
#endif
