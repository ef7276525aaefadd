#include <backflow/nn/archive/ivalue.h>

#include <array>

#include <backflow/ops/creation/creation.h>

namespace backflow {
namespace {

[[noreturn]] void fail_kind(const IValue& value, const char* needed) {
  fail("IValue: holds ", value.kind(), ": need ", needed);
}

/// The element of a tensor that has one, of this dtype; null for any other value.
template <class T>
const T* element_of(const IValue& value) {
  const bool is_one = value.isTensor() && value.toTensor().defined() && value.toTensor().numel() == 1 &&
                      value.toTensor().scalar_type() == dtype_of<T>;
  return is_one ? value.toTensor().const_data_ptr<T>() : nullptr;
}

}  // namespace

const char* IValue::kind() const {
  constexpr std::array<const char*, 6> kKinds{"None", "Tensor", "double", "int", "bool", "str"};
  return kKinds[value_.index()];
}

const Tensor& IValue::toTensor() const {
  const auto* const x = std::get_if<Tensor>(&value_);
  if (x == nullptr) {
    fail_kind(*this, "a tensor");
  }
  return *x;
}

double IValue::toDouble() const {
  if (const auto* const x = std::get_if<double>(&value_)) {
    return *x;
  }
  if (const auto* const x = element_of<double>(*this)) {
    return *x;
  }
  if (const auto* const x = element_of<float>(*this)) {
    return static_cast<double>(*x);
  }
  fail_kind(*this, "a double");
}

std::int64_t IValue::toInt() const {
  if (const auto* const x = std::get_if<std::int64_t>(&value_)) {
    return *x;
  }
  if (const auto* const x = element_of<std::int64_t>(*this)) {
    return *x;
  }
  fail_kind(*this, "an int");
}

bool IValue::toBool() const {
  if (const auto* const x = std::get_if<bool>(&value_)) {
    return *x;
  }
  if (const auto* const x = element_of<bool>(*this)) {
    return *x;
  }
  fail_kind(*this, "a bool");
}

const std::string& IValue::toStringRef() const {
  const auto* const x = std::get_if<std::string>(&value_);
  if (x == nullptr) {
    fail_kind(*this, "a str");
  }
  return *x;
}

Tensor IValue::as_tensor() const {
  if (const auto* const x = std::get_if<double>(&value_)) {
    return full({}, *x, kFloat64);
  }
  if (const auto* const x = std::get_if<std::int64_t>(&value_)) {
    Tensor out = empty_tensor({}, kInt64);
    *out.mutable_data_ptr<std::int64_t>() = *x;
    return out;
  }
  if (const auto* const x = std::get_if<bool>(&value_)) {
    return full({}, *x ? 1 : 0, kBool);
  }
  return toTensor();
}

}  // namespace backflow
