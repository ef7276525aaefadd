#include <backflow/ops/normalization_internal.h>

#include <cmath>

namespace backflow::detail {

void check_channels(const char* where, const Tensor& x) {
  check(x.defined() && x.is_floating_point() && x.dim() >= 2, where, ": input ", describe(x),
        ": need a floating-point tensor [batch, channels, ...]");
}

void check_parameter(const char* where, const char* name, const Tensor& parameter, IntArrayRef sizes, const Tensor& x) {
  if (!parameter.defined()) {
    return;
  }
  const ScalarType dtype = parameter.scalar_type();
  check(parameter.sizes() == sizes && (dtype == x.scalar_type() || dtype == computed(x.scalar_type())), where, ": ",
        name, ' ', describe(parameter), ", input ", describe(x), ": need the input's dtype and sizes ", sizes);
}

Tensor parameter_for(const Tensor& parameter, const Tensor& x) {
  return parameter.defined() ? dense(parameter, computed(x.scalar_type())) : Tensor();
}

kernels::Blocked blocks_for(const Tensor& x, std::int64_t block) {
  kernels::Blocked own = kernels::as_blocked(x, block);
  own.elements = converted(own.elements, computed(x.scalar_type()));
  return own;
}

BlockedResult::BlockedResult(const Tensor& like, std::int64_t block)
    : y_(kernels::empty_blocked(like.sizes(), like.scalar_type(), block)),
      own_(kernels::as_blocked(y_, block)),
      to_(own_) {
  if (const ScalarType wide = computed(like.scalar_type()); wide != like.scalar_type()) {
    to_.elements = empty_tensor(own_.elements.sizes(), wide);
  }
}

Tensor BlockedResult::get() {
  if (!to_.elements.is_same(own_.elements)) {
    kernels::copy(own_.elements, to_.elements);
  }
  return std::move(y_);
}

RecordedNorm::RecordedNorm(const Tensor& x, IntArrayRef dims, double eps, bool centered) : dims_(dims) {
  const Tensor from = centered ? x - mean(x, dims, true) : x;
  r = rsqrt(mean(from * from, dims, true) + eps);
  z = from * r;
}

Tensor RecordedNorm::dx(const Tensor& weighted, bool centered) const {
  const Tensor rest = weighted - z * mean(weighted * z, dims_, true);
  return r * (centered ? rest - mean(weighted, dims_, true) : rest);
}

Tensor zeros_f64(IntArrayRef sizes) {
  const Tensor y = empty_tensor(sizes, kFloat64);
  kernels::fill(y, 0);
  return y;
}

Tensor rstd_of(const Tensor& variance, double eps) {
  const Tensor y = empty_tensor(variance.sizes(), kFloat64);
  const double* const from = variance.const_data_ptr<double>();
  double* const to = y.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    to[i] = 1 / std::sqrt(from[i] + eps);
  }
  return y;
}

Tensor beside_channels(const Tensor& parameter, const Tensor& x) {
  DimVector sizes(x.sizes().size(), 1);
  sizes[1] = x.sizes()[1];
  return reshape(parameter, sizes);
}

Tensor sum_to_channels(const Tensor& x) {
  DimVector dims;
  for (std::int64_t d = 0; d < x.dim(); ++d) {
    if (d != 1) {
      dims.push_back(d);
    }
  }
  return sum(x, dims);
}

}  // namespace backflow::detail
