#include <backflow/ops/kernels/products/gemm.h>

#include <algorithm>
#include <cstddef>
#include <vector>

// Products of a matrix and a vector: bound by reading the matrix once, in the order in which it lies.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/products/gemv_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kBlock = 1024;  // sums that are kept in the L1 cache

/// The product of two vectors, with four independent accumulators: a single one would wait for each multiply-add.
template <class T>
T dot(const T* x, const T* w, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d);
  auto s1 = s0;
  auto s2 = s0;
  auto s3 = s0;
  std::size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, w + i), s0);
    s1 = hn::MulAdd(hn::LoadU(d, x + i + lanes), hn::LoadU(d, w + i + lanes), s1);
    s2 = hn::MulAdd(hn::LoadU(d, x + i + 2 * lanes), hn::LoadU(d, w + i + 2 * lanes), s2);
    s3 = hn::MulAdd(hn::LoadU(d, x + i + 3 * lanes), hn::LoadU(d, w + i + 3 * lanes), s3);
  }
  for (; i + lanes <= n; i += lanes) {
    s0 = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, w + i), s0);
  }
  T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  for (; i < n; ++i) {
    sum += x[i] * w[i];
  }
  return sum;
}

/// y += the sum of four vectors of n elements, `ld` apart, times four numbers; fewer vectors when `count` is less. Four
/// at a time, so that y is loaded and stored once for four.
template <class T>
void add_vectors(const T* x, std::int64_t ld, const T* factors, std::int64_t count, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const T f0 = factors[0];
  if (count < 4) {
    for (std::int64_t q = 0; q < count; ++q) {
      const auto f = hn::Set(d, factors[q]);
      const T* row = x + q * ld;
      std::size_t i = 0;
      for (; i + lanes <= n; i += lanes) {
        hn::StoreU(hn::MulAdd(f, hn::LoadU(d, row + i), hn::LoadU(d, y + i)), d, y + i);
      }
      for (; i < n; ++i) {
        y[i] += factors[q] * row[i];
      }
    }
    return;
  }
  const T f1 = factors[1], f2 = factors[2], f3 = factors[3];
  const auto v0 = hn::Set(d, f0), v1 = hn::Set(d, f1), v2 = hn::Set(d, f2), v3 = hn::Set(d, f3);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    auto sum = hn::LoadU(d, y + i);
    sum = hn::MulAdd(v0, hn::LoadU(d, x + i), sum);
    sum = hn::MulAdd(v1, hn::LoadU(d, x + ld + i), sum);
    sum = hn::MulAdd(v2, hn::LoadU(d, x + 2 * ld + i), sum);
    sum = hn::MulAdd(v3, hn::LoadU(d, x + 3 * ld + i), sum);
    hn::StoreU(sum, d, y + i);
  }
  for (; i < n; ++i) {
    y[i] += f0 * x[i] + f1 * x[ld + i] + f2 * x[2 * ld + i] + f3 * x[3 * ld + i];
  }
}

/// y[i * step] = [y[i * step] +] alpha (a v)[i], a [m, k], v contiguous.
template <class T>
void gemv(std::int64_t m, std::int64_t k, const Matrix<T>& a, const T* v, T* y, std::int64_t step, T alpha,
          bool accumulate) {
  const auto put = [&](std::int64_t i, T sum) { y[i * step] = accumulate ? y[i * step] + alpha * sum : alpha * sum; };
  if (!a.transposed) {
    for (std::int64_t i = 0; i < m; ++i) {
      put(i, dot(a.data + i * a.ld, v, static_cast<std::size_t>(k)));
    }
    return;
  }
  T sums[kBlock];
  for (std::int64_t i0 = 0; i0 < m; i0 += kBlock) {
    const std::int64_t rows = std::min(kBlock, m - i0);
    std::fill_n(sums, rows, T{0});
    for (std::int64_t q = 0; q < k; q += 4) {
      add_vectors(a.data + q * a.ld + i0, a.ld, v + q, std::min<std::int64_t>(4, k - q), sums,
                  static_cast<std::size_t>(rows));
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      put(i0 + i, sums[i]);
    }
  }
}

template <class T>
void vector_product(const Product<T>& p, VectorSide side) {
  const bool is_row = side == VectorSide::Left;  // v a^T then, which is a v of the transpose
  const Matrix<T>& vector = is_row ? p.a : p.b;
  const std::int64_t stride = is_row ? vector.column_stride() : vector.row_stride();
  std::vector<T> gathered;
  const T* v = vector.data;
  if (stride != 1) {
    gathered.resize(static_cast<std::size_t>(p.k));
    for (std::int64_t q = 0; q < p.k; ++q) {
      gathered[static_cast<std::size_t>(q)] = vector.data[q * stride];
    }
    v = gathered.data();
  }
  if (is_row) {
    gemv<T>(p.n, p.k, p.b.transpose(), v, p.c, 1, p.alpha, p.accumulate);
  } else {
    gemv<T>(p.m, p.k, p.a, v, p.c, p.ldc, p.alpha, p.accumulate);
  }
}

void vector_float(const Product<float>& p, VectorSide side) { vector_product(p, side); }
void vector_double(const Product<double>& p, VectorSide side) { vector_product(p, side); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(vector_float);
HWY_EXPORT(vector_double);

void gemm_vector(const Product<float>& p, VectorSide side) { HWY_DYNAMIC_DISPATCH(vector_float)(p, side); }
void gemm_vector(const Product<double>& p, VectorSide side) { HWY_DYNAMIC_DISPATCH(vector_double)(p, side); }

}  // namespace backflow::kernels
#endif
