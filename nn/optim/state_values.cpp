#include <cmath>

#include <backflow/nn/archive/ivalue.h>
#include <backflow/nn/optim/state_values_internal.h>
#include <backflow/ops/functions.h>

namespace backflow::optim::detail {

std::optional<double> number_of(const Tensor& x) {
  if (!x.defined() || x.numel() != 1) {
    return std::nullopt;
  }
  return *to(x.detach(), kFloat64).contiguous().const_data_ptr<double>();
}

std::optional<std::int64_t> integer_of(const Tensor& x) {
  constexpr double kTwoTo63 = 9223372036854775808.0;
  const std::optional<double> value = number_of(x);
  if (!value || !(*value >= -kTwoTo63 && *value < kTwoTo63) || std::floor(*value) != *value) {
    return std::nullopt;
  }
  return x.scalar_type() == kInt64 ? *x.contiguous().const_data_ptr<std::int64_t>() : static_cast<std::int64_t>(*value);
}

Tensor number(std::int64_t value) { return IValue(value).as_tensor(); }
Tensor number(double value) { return IValue(value).as_tensor(); }

std::string head_of(const std::string& name) { return name.substr(0, name.find('.')); }

}  // namespace backflow::optim::detail
