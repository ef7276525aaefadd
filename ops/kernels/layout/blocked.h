#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include <backflow/runtime/tensor/channel_blocks.h>
#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/threads.h>

// Tensors whose elements are kept in channel blocks (runtime/tensor/channel_blocks.h). Such a tensor is an ordinary one
// to all who don't ask: its row-major elements are made when they are first accessed, and the blocks are given up.
namespace backflow::kernels {

/// The elements of a tensor [batch, channels, spatial...] as kernels see them: one dimension, `blocks.elements()` long,
/// row-major, padding included. Holding it keeps the elements alive and in this order.
struct Blocked {
  Tensor elements;  ///< undefined when there are none in blocks
  ChannelBlocks blocks;

  explicit operator bool() const { return elements.defined(); }
};

/// The sizes of x, which has at least two dimensions, with blocks of `block` channels.
ChannelBlocks blocks_of(IntArrayRef sizes, std::int64_t block);

/// The blocks of channels in which x is kept, or none: also when x is a view of something that has other channels.
Blocked blocked(const Tensor& x);

/// The same, or the blocks of filters and channels in which weights are kept.
Blocked any_blocks(const Tensor& x);

/// The size of the blocks of channels in which x is kept; 1 when there are none.
std::int64_t block_of(const Tensor& x);

/// An uninitialized tensor in blocks of `block` channels, off the tape; a row-major one where that is the same. Who
/// fills `as_blocked(y, block)` writes zeros into the padding.
Tensor empty_blocked(IntArrayRef sizes, ScalarType dtype, std::int64_t block);
Tensor empty_blocked(IntArrayRef sizes, ScalarType dtype, const ChannelBlocks& blocks);

/// The same, without padding, over the elements that are there: of a contiguous tensor, which stays alive as long.
Tensor blocked_over(const Tensor& elements, IntArrayRef sizes, const ChannelBlocks& blocks);

/// x in blocks of `block` channels (1: row-major): what it is kept in, or else a copy, which is counted as a reorder.
Blocked as_blocked(const Tensor& x, std::int64_t block);
Blocked as_blocked(const Tensor& x, const ChannelBlocks& blocks);

/// Keeps x in `blocks`, which have no padding, from now on. For who is about to change x, so that nobody reads it.
/// None, with nothing done, where somebody else has x's storage or its address.
Blocked keep_in_blocks(const Tensor& x, const ChannelBlocks& blocks);

/// Writes the elements at `blocked` row-major to `plain`; counted as a reorder (of activations, or of weights).
void unblock(std::byte* plain, const std::byte* blocked, const ChannelBlocks& blocks, ScalarType dtype);

/// Writes zeros into the padding of `x`, if it has any.
void clear_padding(const Blocked& x);

/// The result of an element-wise kernel on operands of one shape and `dtype`, at least one of which is in blocks: it is
/// in the blocks of the first that is. `kernel(y, operands)` sees one-dimensional tensors. Undefined, with nothing
/// done, where the operands are not such.
Tensor elementwise_in_blocks(ScalarType dtype, std::initializer_list<const Tensor*> operands,
                             FunctionRef<void(const Tensor& y, const Tensor* operands)> kernel);

/// Calls `kernel(operands)`, which writes over the first of them, that is in blocks, from the others; false, with
/// nothing done, where the operands are not such.
bool elementwise_into_blocks(std::initializer_list<const Tensor*> operands,
                             FunctionRef<void(const Tensor* operands)> kernel);

/// Whether one of the tensors may be in blocks: a cheap look before the functions above.
inline bool may_be_blocked(const Tensor& x) { return x.impl().storage->may_be_blocked(); }

}  // namespace backflow::kernels
