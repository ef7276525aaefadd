#include <backflow/runtime/tensor/ivalue.h>

#include <utility>
#include <variant>

namespace backflow {

struct IValue::Held {
  std::variant<Tensor, bool, double, std::int64_t, std::string, std::vector<std::int64_t>, std::vector<double>,
               std::vector<Tensor>>
      value;
};

namespace {

constexpr const char* kNames[] = {"a tensor",          "a bool",           "a double",
                                  "an integer",        "a string",         "a list of integers",
                                  "a list of doubles", "a list of tensors"};

}  // namespace

template <class T>
bool IValue::is() const {
  return held_ != nullptr && std::holds_alternative<T>(held_->value);
}

template <class T>
const T& IValue::get(const char* asked) const {
  check(is<T>(), "IValue: asked for ", asked, ", holds ", isNone() ? "nothing" : kNames[held_->value.index()],
        ": need the type that it was given");
  return std::get<T>(held_->value);
}

IValue::IValue(Tensor value) : held_(std::make_shared<const Held>(Held{std::move(value)})) {}
IValue::IValue(bool value) : held_(std::make_shared<const Held>(Held{value})) {}
IValue::IValue(double value) : held_(std::make_shared<const Held>(Held{value})) {}
IValue::IValue(std::int64_t value) : held_(std::make_shared<const Held>(Held{value})) {}
IValue::IValue(int value) : IValue(std::int64_t{value}) {}
IValue::IValue(const Scalar& value)
    : IValue(value.is_floating_point() ? IValue(value.toDouble()) : IValue(value.toLong())) {}
IValue::IValue(std::string value) : held_(std::make_shared<const Held>(Held{std::move(value)})) {}
IValue::IValue(const char* value) : IValue(std::string(value)) {}
IValue::IValue(IntArrayRef value) : IValue(value.vec()) {}
IValue::IValue(std::vector<std::int64_t> value) : held_(std::make_shared<const Held>(Held{std::move(value)})) {}
IValue::IValue(std::vector<double> value) : held_(std::make_shared<const Held>(Held{std::move(value)})) {}
IValue::IValue(std::vector<Tensor> value) : held_(std::make_shared<const Held>(Held{std::move(value)})) {}

bool IValue::isTensor() const { return is<Tensor>(); }
bool IValue::isBool() const { return is<bool>(); }
bool IValue::isDouble() const { return is<double>(); }
bool IValue::isInt() const { return is<std::int64_t>(); }
bool IValue::isString() const { return is<std::string>(); }
bool IValue::isIntList() const { return is<std::vector<std::int64_t>>(); }
bool IValue::isDoubleList() const { return is<std::vector<double>>(); }
bool IValue::isTensorList() const { return is<std::vector<Tensor>>(); }

const Tensor& IValue::toTensor() const { return get<Tensor>("a tensor"); }
bool IValue::toBool() const { return get<bool>("a bool"); }
double IValue::toDouble() const { return isInt() ? static_cast<double>(toInt()) : get<double>("a double"); }
Scalar IValue::toScalar() const { return isInt() ? Scalar(toInt()) : Scalar(toDouble()); }
std::int64_t IValue::toInt() const { return get<std::int64_t>("an integer"); }
const std::string& IValue::toStringRef() const { return get<std::string>("a string"); }
const std::vector<std::int64_t>& IValue::toIntVector() const {
  return get<std::vector<std::int64_t>>("a list of integers");
}
const std::vector<double>& IValue::toDoubleVector() const { return get<std::vector<double>>("a list of doubles"); }
const std::vector<Tensor>& IValue::toTensorVector() const { return get<std::vector<Tensor>>("a list of tensors"); }

}  // namespace backflow
