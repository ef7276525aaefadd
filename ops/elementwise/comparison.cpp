#include <backflow/ops/elementwise/comparison.h>

#include <cmath>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/kernels/layout/strided.h>

namespace backflow {
namespace {

/// Whether f(a, b) holds for all elements of two tensors of one dtype, broadcast to `shape`.
template <class F>
bool all_of(IntArrayRef shape, const Tensor& x, const Tensor& w, const F& f) {
  const kernels::StridedLoop<2> loop(shape, {&x, &w});
  const std::int64_t numel = numel_of(shape);
  return dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < numel; i += loop.inner_size()) {
      const T* a = x.const_data_ptr<T>() + loop.offset(0, i);
      const T* b = w.const_data_ptr<T>() + loop.offset(1, i);
      for (std::int64_t j = 0; j < loop.inner_size(); ++j) {
        if (!f(a[j * loop.inner_stride(0)], b[j * loop.inner_stride(1)])) {
          return false;
        }
      }
    }
    return true;
  });
}

}  // namespace

bool equal(const Tensor& self, const Tensor& other) {
  if (self.sizes() != other.sizes()) {
    return false;
  }
  const ScalarType common = promote_types(self.scalar_type(), other.scalar_type());
  return all_of(self.sizes(), detail::Cast(self, common), detail::Cast(other, common),
                [](auto a, auto b) { return a == b; });
}

bool allclose(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) {
  check(self.scalar_type() == other.scalar_type(), "allclose: ", describe(self), " and ", describe(other),
        ": need equal dtypes; to() converts");
  check(rtol >= 0 && atol >= 0, "allclose: rtol ", rtol, ", atol ", atol, ": need tolerances of 0 or more");
  const DimVector shape = broadcast_shapes("allclose", self.sizes(), other.sizes());
  return all_of(shape, self, other, [&](auto a, auto b) {
    if (a == b) {
      return true;
    }
    const auto x = static_cast<double>(a);
    const auto w = static_cast<double>(b);
    const double difference = std::abs(x - w);
    return (std::isfinite(difference) && difference <= atol + rtol * std::abs(w)) ||
           (equal_nan && std::isnan(x) && std::isnan(w));
  });
}

bool Tensor::equal(const Tensor& other) const { return backflow::equal(*this, other); }

bool Tensor::allclose(const Tensor& other, double rtol, double atol, bool equal_nan) const {
  return backflow::allclose(*this, other, rtol, atol, equal_nan);
}

}  // namespace backflow
