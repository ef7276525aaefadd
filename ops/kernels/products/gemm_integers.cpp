#include <cstdint>
#include <type_traits>

#include <backflow/ops/kernels/products/gemm.h>

namespace backflow::kernels {

template <class T>
void gemm_integers(const Product<T>& p) {
  using U = std::make_unsigned_t<decltype(T{} + T{})>;  // wraps
  const std::int64_t step = p.b.column_stride();
  for (std::int64_t i = 0; i < p.m; ++i) {
    T* c = p.c + i * p.ldc;
    for (std::int64_t j = 0; j < p.n && !p.accumulate; ++j) {
      c[j] = 0;
    }
    for (std::int64_t q = 0; q < p.k; ++q) {
      const U factor = static_cast<U>(p.alpha) * static_cast<U>(p.a.at(i, q));
      const T* b = p.b.data + q * p.b.row_stride();
      for (std::int64_t j = 0; j < p.n; ++j) {
        c[j] = static_cast<T>(static_cast<U>(c[j]) + factor * static_cast<U>(b[j * step]));
      }
    }
  }
}

template void gemm_integers(const Product<std::uint8_t>& p);
template void gemm_integers(const Product<std::int32_t>& p);
template void gemm_integers(const Product<std::int64_t>& p);

}  // namespace backflow::kernels
