#pragma once

#include <backflow/ops/kernels/onednn_internal.h>
#include <backflow/runtime/tensor.h>

namespace backflow::kernels {

/// The elements of weights `w`, which lie as `plain` says, in the form `packed` that a primitive reads. Made once for
/// each form and change of the weights, and kept with them, unless somebody has their address (Tensor::data_ptr) or
/// they are part of something larger. Thread-safe.
IntrusivePtr<Storage> packed_weights(const Tensor& w, const dnnl::memory::desc& plain,
                                     const dnnl::memory::desc& packed);

/// Copies weights from one form into another, on the pool.
void reorder_weights(const dnnl::memory::desc& from_desc, std::byte* from, const dnnl::memory::desc& to_desc,
                     std::byte* to);

}  // namespace backflow::kernels
