#include <backflow/train/loop/loop_state.h>

#include <algorithm>

#include <backflow/ops/functions.h>

namespace backflow::train {
namespace {

template <class T>
Tensor scalar_tensor(T value, ScalarType dtype) {
  Tensor x = empty_tensor({}, dtype);
  *x.mutable_data_ptr<T>() = value;
  return x;
}

}  // namespace

void LoopState::set(const std::string& name, double value) {
  values_.emplace_back(name, scalar_tensor(value, kFloat64));
}

void LoopState::set(const std::string& name, std::int64_t value) {
  values_.emplace_back(name, scalar_tensor(value, kInt64));
}

bool LoopState::has(const std::string& name) const {
  return std::any_of(values_.begin(), values_.end(), [&](const auto& value) { return value.first == name; });
}

const Tensor& LoopState::find(const std::string& name, ScalarType dtype) const {
  const auto found = std::find_if(values_.begin(), values_.end(), [&](const auto& v) { return v.first == name; });
  check(found != values_.end() && found->second.numel() == 1 && found->second.scalar_type() == dtype, "dump: '/loop/",
        name, "': need one number, ", backflow::name(dtype));
  return found->second;
}

double LoopState::number(const std::string& name) const { return *find(name, kFloat64).const_data_ptr<double>(); }

std::int64_t LoopState::integer(const std::string& name) const {
  return *find(name, kInt64).const_data_ptr<std::int64_t>();
}

}  // namespace backflow::train
