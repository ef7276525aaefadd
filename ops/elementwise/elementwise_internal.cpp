#include <backflow/ops/elementwise/elementwise_internal.h>

namespace backflow::detail {

Tensor deferred_tensor(IntArrayRef sizes, ScalarType dtype) {
  const auto bytes = static_cast<std::size_t>(numel_of(sizes)) * element_size(dtype);
  return Tensor(TensorImpl::make(Storage::make_deferred(bytes), dtype, sizes));
}

}  // namespace backflow::detail
