#include <backflow/nn/archive/contents.h>
#include <backflow/ops/creation/creation.h>

namespace backflow::serialize {

Tensor tensor_of(const IValue& value) {
  if (value.isInt()) {
    Tensor out = empty_tensor({}, kInt64);
    *out.mutable_data_ptr<std::int64_t>() = value.toInt();
    return out;
  }
  if (value.isDouble()) {
    return full({}, value.toDouble(), kFloat64);
  }
  return value.isBool() ? full({}, value.toBool() ? 1 : 0, kBool) : value.toTensor();
}

IValue number_in(const Tensor& x) {
  if (x.dim() != 0) {
    return x;
  }
  switch (x.scalar_type()) {
    case kFloat64:
      return *x.const_data_ptr<double>();
    case kInt64:
      return *x.const_data_ptr<std::int64_t>();
    case kBool:
      return *x.const_data_ptr<bool>();
    default:
      return x;
  }
}

}  // namespace backflow::serialize
