#include <cmath>

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

Tensor number(std::int64_t value) { return serialize::tensor_of(IValue(value)); }
Tensor number(double value) { return serialize::tensor_of(IValue(value)); }

const Tensor* NumberReader::find(const std::string& name) {
  const auto found = given_.find(name);
  if (found == given_.end()) {
    report_.missing.push_back(name);
    return nullptr;
  }
  return found->second;
}

void NumberReader::read(const std::string& name, double& value) {
  if (const Tensor* const given = find(name)) {
    if (const std::optional<double> number = number_of(*given)) {
      value = *number;
    } else {
      report_.mismatched.push_back({name, "a number", to_text(describe(*given))});
    }
  }
}

bool NumberReader::read_integer(const std::string& name, std::int64_t most, std::int64_t& value) {
  const Tensor* const given = find(name);
  if (given == nullptr) {
    return false;
  }
  const std::optional<std::int64_t> number = integer_of(*given);
  if (!number || *number < 0 || *number > most) {
    report_.mismatched.push_back({name, "a whole number >= 0", to_text(describe(*given))});
    return false;
  }
  value = *number;
  return true;
}

void write_all(serialize::OutputArchive& archive, const OrderedDict<std::string, Tensor>& dict) {
  for (const auto& item : dict) {
    archive.write(item.key(), item.value());
  }
}

OrderedDict<std::string, Tensor> numbers_of(const serialize::InputArchive& archive) {
  OrderedDict<std::string, Tensor> out;
  for (const auto& [name, value] : archive.values()) {
    if (!value.isString()) {
      out.insert(name, serialize::tensor_of(value));
    }
  }
  return out;
}

}  // namespace backflow::optim::detail
