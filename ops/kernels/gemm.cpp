#include <backflow/ops/kernels/gemm.h>

#include <algorithm>

#include <backflow/ops/kernels/elementwise.h>
#include <backflow/runtime/threads.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kTinyProduct = 1024;  // multiply-adds below which a plain loop beats oneDNN's 0.4 us
constexpr double kChunkFlop = 32e6;          // of one piece: about 240 us
constexpr std::int64_t kMinChunk = 256;      // rows or columns of one piece; docs/performance.md has the measurements

/// The matrix behind `x`, which is copied first when neither of its dimensions is contiguous.
template <class T>
Matrix<T> matrix(const Tensor& x, Tensor& copied) {
  const auto sizes = x.sizes();
  const auto strides = x.strides();
  const bool rows_contiguous = strides[1] == 1 || sizes[1] == 1;
  const bool columns_contiguous = strides[0] == 1 || sizes[0] == 1;
  if (rows_contiguous && (strides[0] >= sizes[1] || sizes[0] == 1)) {
    return {x.data_ptr<T>(), std::max<std::int64_t>({strides[0], sizes[1], 1}), false};
  }
  if (columns_contiguous && (strides[1] >= sizes[0] || sizes[1] == 1)) {
    return {x.data_ptr<T>(), std::max<std::int64_t>({strides[1], sizes[0], 1}), true};
  }
  copied = empty_tensor(sizes, x.scalar_type());
  copy(copied, x);
  return {copied.data_ptr<T>(), std::max<std::int64_t>(sizes[1], 1), false};
}

template <class T>
void tiny_gemm(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, T* c, bool accumulate) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      T sum = accumulate ? c[i * n + j] : T{0};
      for (std::int64_t p = 0; p < k; ++p) {
        sum += a.at(i, p) * b.at(p, j);
      }
      c[i * n + j] = sum;
    }
  }
}

/// Pieces of the longer side of [m, n], each a multiple of kMinChunk long.
std::int64_t chunk_length(std::int64_t m, std::int64_t n, std::int64_t k) {
  const std::int64_t longer = std::max(m, n);
  const double flop = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const auto wanted = static_cast<std::int64_t>(std::max(1.0, flop / kChunkFlop));
  const std::int64_t length = (longer + wanted - 1) / wanted;
  return (length + kMinChunk - 1) / kMinChunk * kMinChunk;
}

template <class T>
void gemm_of(const Tensor& y, const Tensor& x, const Tensor& w, bool accumulate) {
  const std::int64_t m = y.sizes()[0];
  const std::int64_t n = y.sizes()[1];
  const std::int64_t k = x.sizes()[1];
  Tensor copied_x;
  Tensor copied_w;
  const Matrix<T> a = matrix<T>(x, copied_x);
  const Matrix<T> b = matrix<T>(w, copied_w);
  T* c = y.data_ptr<T>();
  if (m * n * k <= kTinyProduct) {
    tiny_gemm(m, n, k, a, b, c, accumulate);
    return;
  }
  const std::int64_t length = chunk_length(m, n, k);
  if (m >= n) {
    parallel_for((m + length - 1) / length, [&](std::int64_t chunk) {
      const std::int64_t i = chunk * length;
      gemm_serial(std::min(length, m - i), n, k, a.from(i, 0), b, c + i * n, n, accumulate);
    });
  } else {
    parallel_for((n + length - 1) / length, [&](std::int64_t chunk) {
      const std::int64_t j = chunk * length;
      gemm_serial(m, std::min(length, n - j), k, a, b.from(0, j), c + j, n, accumulate);
    });
  }
}

}  // namespace

Cost gemm_cost(std::int64_t m, std::int64_t n, std::int64_t k, ScalarType dtype) {
  const std::int64_t bytes = (m * k + k * n + m * n) * static_cast<std::int64_t>(element_size(dtype));
  return {static_cast<float>(2 * m * n * k), static_cast<float>(bytes), dtype};
}

void gemm(const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& bias) {
  if (y.numel() == 0) {
    return;
  }
  const bool empty_sum = a.sizes()[1] == 0;
  if (bias.defined()) {
    copy(y, bias);
  } else if (empty_sum) {
    fill(y, 0);
  }
  if (empty_sum) {
    return;
  }
  dispatch_floating(y.scalar_type(), "matmul", [&](auto zero) { gemm_of<decltype(zero)>(y, a, b, bias.defined()); });
}

}  // namespace backflow::kernels
