#pragma once

#include <optional>

#include <backflow/ops/kernels/onednn.h>
#include <backflow/runtime/tensor/channel_blocks.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// Equal shares of one dimension, each packed on its own, one behind the other.
struct WeightParts {
  std::size_t dim = 0;
  std::int64_t count = 1;

  friend bool operator==(const WeightParts&, const WeightParts&) = default;
};

/// The elements of weights `w`, which are row-major as `plain` says, in the form `packed` that a primitive reads, which
/// is that of one part: those of w where w is kept so. Else made once for each form and change of the weights, and kept
/// with them, unless somebody has their address (Tensor::data_ptr) or they are part of something larger. Thread-safe.
IntrusivePtr<Storage> packed_weights(const Tensor& w, const dnnl::memory::desc& plain, const dnnl::memory::desc& packed,
                                     const WeightParts& parts = {});

/// The blocks of filters and channels that `packed` says of weights of these sizes, if it is such a form.
std::optional<ChannelBlocks> weight_blocks(IntArrayRef sizes, const dnnl::memory::desc& packed);

/// The inverse: the form of weights of these sizes in blocks of `block` filters and as many channels.
dnnl::memory::desc packed_desc(IntArrayRef sizes, std::int64_t block);

/// Writes row-major weights in blocks (ChannelBlocks::batch_block) and back; counted as a reorder of weights.
void block_weights(float* blocked, const float* plain, const ChannelBlocks& blocks);
void unblock_weights(float* plain, const float* blocked, const ChannelBlocks& blocks);

/// Copies weights from one form into another, on the pool.
void reorder_weights(const dnnl::memory::desc& from_desc, std::byte* from, const dnnl::memory::desc& to_desc,
                     std::byte* to);

}  // namespace backflow::kernels
