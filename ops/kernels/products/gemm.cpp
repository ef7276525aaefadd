#include <backflow/ops/kernels/products/gemm.h>

#include <algorithm>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/runtime/tensor/checked_number.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::kernels {
namespace {

constexpr double kChunkFlop = 32e6;            // of one piece: about 240 us
constexpr double kChunkBytes = 1e6;            // of one piece that does little with each number
constexpr std::int64_t kMinChunk = 256;        // rows or columns of one piece; docs/internals/measurements.md
constexpr std::int64_t kLongSum = 2048;        // terms from which on fewer rows or columns are
constexpr std::int64_t kMinLongChunk = 64;     // worth a piece
constexpr std::int64_t kDotChunk = 64 * 1024;  // terms of one piece of a product of two vectors
constexpr double kOverheadFlop = 4000;         // what it takes to start on a matrix

/// Elements of `x` in `dtype`, row-major except that batch dimensions with stride 0 keep it.
Tensor dense_copy(const Tensor& x, ScalarType dtype) {
  DimVector sizes(x.sizes());
  for (std::size_t d = 0; d + 2 < sizes.size(); ++d) {
    sizes[d] = x.strides()[d] == 0 ? std::min<std::int64_t>(sizes[d], 1) : sizes[d];
  }
  const Tensor copied = empty_tensor(sizes, dtype);
  copy(copied, view_of(x, sizes, x.strides(), x.storage_offset()));
  DimVector strides(copied.strides());
  for (std::size_t d = 0; d + 2 < sizes.size(); ++d) {
    strides[d] = x.strides()[d] == 0 ? 0 : strides[d];
  }
  return view_of(copied, x.sizes(), strides, 0);
}

/// A batch of matrices: the first, and how to get to the others.
template <class T>
class Batch {
 public:
  /// `x` is copied when neither of a matrix's dimensions is contiguous.
  explicit Batch(const Tensor& x) : x_(x) {
    const std::size_t rank = x.sizes().size();
    const std::int64_t rows = x.sizes()[rank - 2];
    const std::int64_t columns = x.sizes()[rank - 1];
    const auto fits = [](std::int64_t stride, std::int64_t length, std::int64_t step, std::int64_t inner) {
      return (step == 1 || inner == 1) && (stride >= inner || length == 1);
    };
    std::int64_t row_step = x.strides()[rank - 2];
    std::int64_t column_step = x.strides()[rank - 1];
    const bool by_columns = fits(column_step, columns, row_step, rows);
    const bool by_rows = fits(row_step, rows, column_step, columns);
    if (!by_rows && !by_columns) {
      x_ = dense_copy(x, x.scalar_type());
      row_step = columns;
    }
    const bool transposed = by_columns && !by_rows;
    const std::int64_t ld =
        transposed ? std::max<std::int64_t>({column_step, rows, 1}) : std::max<std::int64_t>({row_step, columns, 1});
    first_ = {x_.template const_data_ptr<T>(), ld, transposed};
  }
  Matrix<T> operator[](std::int64_t index) const {
    Matrix<T> result = first_;
    for (std::size_t d = x_.sizes().size() - 2; d-- > 0;) {
      result.data += index % x_.sizes()[d] * x_.strides()[d];
      index /= x_.sizes()[d];
    }
    return result;
  }

 private:
  Tensor x_;
  Matrix<T> first_;
};

template <class T>
void multiply(const Product<T>& p) {
  if constexpr (std::is_integral_v<T>) {
    gemm_integers(p);
  } else {
    gemm_serial(p);
  }
}

/// Pieces of the longer side of [m, n], each a multiple of kMinChunk or kMinLongChunk long.
std::int64_t chunk_length(std::int64_t m, std::int64_t n, std::int64_t k, double bytes) {
  const std::int64_t longer = std::max(m, n);
  const double flop = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const double pieces = std::min(m, n) == 1 ? bytes / kChunkBytes : flop / kChunkFlop;
  const auto wanted = static_cast<std::int64_t>(std::max(1.0, pieces));
  const std::int64_t length = (longer + wanted - 1) / wanted;
  const std::int64_t least = k >= kLongSum ? kMinLongChunk : kMinChunk;
  return (length + least - 1) / least * least;
}

/// The product of two long vectors: sums of pieces, added in their order.
template <class T>
void long_dot(const Product<T>& p) {
  std::vector<T> sums(static_cast<std::size_t>((p.k + kDotChunk - 1) / kDotChunk));
  parallel_for(static_cast<std::int64_t>(sums.size()), [&](std::int64_t chunk) {
    Product<T> part = p;
    part.k = std::min(kDotChunk, p.k - chunk * kDotChunk);
    part.a = p.a.from(0, chunk * kDotChunk);
    part.b = p.b.from(chunk * kDotChunk, 0);
    part.c = &sums[static_cast<std::size_t>(chunk)];
    part.accumulate = false;
    multiply(part);
  });
  T total = sums[0];
  for (std::size_t i = 1; i < sums.size(); ++i) {
    total += sums[i];
  }
  *p.c = p.accumulate ? *p.c + total : total;
}

/// One product, cut over its longer side: cutting the shorter one, 128 rows instead of 1024 columns, took 1.6 times as
/// long (docs/internals/measurements.md).
template <class T>
void cut_product(const Product<T>& p, std::int64_t length, std::int64_t piece) {
  Product<T> part = p;
  const std::int64_t start = piece * length;
  if (p.m >= p.n) {
    part.m = std::min(length, p.m - start);
    part.a = p.a.from(start, 0);
    part.c = p.c + start * p.ldc;
  } else {
    part.n = std::min(length, p.n - start);
    part.b = p.b.from(0, start);
    part.c = p.c + start;
  }
  multiply(part);
}

template <class T>
void products_of(const Tensor& y, const Tensor& a, const Tensor& b, T alpha, bool accumulate) {
  const std::size_t rank = y.sizes().size();
  const Batch<T> left(a);
  const Batch<T> right(b);
  const std::int64_t m = y.sizes()[rank - 2];
  const std::int64_t n = y.sizes()[rank - 1];
  const std::int64_t k = a.sizes()[rank - 1];
  const std::int64_t count = y.numel() / (m * n);
  const auto product = [&](std::int64_t i) {
    return Product<T>{m, n, k, left[i], right[i], y.mutable_data_ptr<T>() + i * m * n, n, alpha, accumulate};
  };
  if (count == 1 && m == 1 && n == 1 && k > kDotChunk && !std::is_integral_v<T>) {
    long_dot(product(0));
    return;
  }
  const Cost cost = gemm_cost(m, n, k, y.scalar_type());
  const std::int64_t length = chunk_length(m, n, k, cost.bytes);
  const std::int64_t pieces = (std::max(m, n) + length - 1) / length;
  if (pieces > 1) {
    parallel_for(count * pieces, [&](std::int64_t i) { cut_product(product(i / pieces), length, i % pieces); });
    return;
  }
  const double fit = std::min(kChunkFlop / (cost.flop + kOverheadFlop), kChunkBytes / cost.bytes);
  const auto group = std::max<std::int64_t>(1, static_cast<std::int64_t>(fit));
  parallel_for((count + group - 1) / group, [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * group; i < std::min(count, (chunk + 1) * group); ++i) {
      multiply(product(i));
    }
  });
}

/// y = beta input, or nothing when there is none; says whether there is one.
bool start_with(const Tensor& y, const Tensor& input, const Scalar& beta) {
  if (!input.defined() || (beta.is_floating_point() ? beta.toDouble() == 0 : beta.toLong() == 0)) {
    return false;
  }
  const bool in_place = y.const_data_ptr() == input.const_data_ptr() && y.scalar_type() == input.scalar_type() &&
                        y.sizes() == input.sizes() && y.strides() == input.strides();
  if (!in_place) {
    copy(y, input);
  }
  const Scalar factor = y.is_floating_point() ? Scalar(beta.toDouble()) : Scalar(beta.toLong());
  if (factor.toDouble() != 1) {
    binary(functions::Mul{}, y, y, factor);
  }
  return true;
}

}  // namespace

Cost gemm_cost(std::int64_t m, std::int64_t n, std::int64_t k, ScalarType dtype) {
  const std::int64_t bytes = (m * k + k * n + m * n) * static_cast<std::int64_t>(element_size(dtype));
  return {2 * static_cast<float>(m) * static_cast<float>(n) * static_cast<float>(k), static_cast<float>(bytes), dtype};
}

void gemm(const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& input, const Scalar& beta,
          const Scalar& alpha) {
  if (y.numel() == 0) {
    return;
  }
  if (y.scalar_type() == kBFloat16) {
    const Tensor exact = empty_tensor_like(y, kFloat32);
    gemm(exact, dense_copy(a, kFloat32), dense_copy(b, kFloat32), input, beta, alpha);
    copy(y, exact);
    return;
  }
  const bool accumulate = start_with(y, input, beta);
  if (a.sizes().back() == 0) {
    if (!accumulate) {
      fill(y, 0);
    }
    return;
  }
  dispatch_numeric(y.scalar_type(), "matmul", [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_same_v<T, BFloat16>) {
      products_of<T>(y, a, b, backflow::detail::wrapped<T>(alpha), accumulate);
    }
  });
}

}  // namespace backflow::kernels
