#include <backflow/ops/kernels/layout/blocked.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/kernel_counts.h>
#include <backflow/ops/kernels/layout/dense.h>
#include <backflow/ops/kernels/products/packed_weights.h>
#include <backflow/runtime/tape/view_history.h>

namespace backflow::kernels {
namespace {

constexpr std::size_t kMaxOperands = 4;

Tensor flat(const IntrusivePtr<Storage>& storage, const ChannelBlocks& blocks, ScalarType dtype) {
  return Tensor(TensorImpl::make(storage, dtype, {blocks.elements()}));
}

bool has_sizes(const Tensor& x, const ChannelBlocks& blocks) {
  return x.dim() >= 2 && x.sizes()[0] == blocks.batch && x.sizes()[1] == blocks.channels &&
         x.numel() == blocks.batch * blocks.channels * blocks.spatial && x.storage_offset() == 0 && x.is_contiguous();
}

/// Calls f(plain, in_blocks) with two views of the same sizes that show the same elements of a row-major tensor and of
/// one in blocks: of all full blocks, and of the last when that is padded. Both start at the same sample.
template <class F>
void for_both(const Tensor& plain, const Tensor& elements, const ChannelBlocks& b, const F& f) {
  const std::int64_t full = b.channels / b.block;
  const std::int64_t rest = b.channels - full * b.block;
  const std::int64_t sample = b.channels * b.spatial;
  const auto view = [&](std::int64_t first, std::int64_t blocks, std::int64_t width) {
    const DimVector sizes{b.batch, blocks, width, b.spatial};
    f(view_of(plain, sizes, {sample, b.block * b.spatial, b.spatial, 1},
              plain.storage_offset() + first * b.block * b.spatial),
      view_of(elements, sizes, {b.sample_elements(), b.block * b.spatial, 1, b.block}, first * b.block * b.spatial));
  };
  if (full > 0) {
    view(0, full, b.block);
  }
  if (rest > 0) {
    view(full, 1, rest);
  }
}

/// Writes the elements of x, which has other blocks or none, into `to`.
void write_blocks(const Blocked& to, const Tensor& x) {
  if (to.blocks.batch_block != 1) {
    block_weights(to.elements.mutable_data_ptr<float>(), dense(x).const_data_ptr<float>(), to.blocks);
    return;
  }
  count_activation_reorder();
  if (to.blocks.is_row_major()) {
    copy(view_of(to.elements, x.sizes(), contiguous_strides(x.sizes()), 0), x);
    return;
  }
  for_both(dense(x), to.elements, to.blocks, [](const Tensor& from, const Tensor& to_) { copy(to_, from); });
  clear_padding(to);
}

/// The operands in the blocks of the first that has any; false when they differ in shape or dtype, or none has.
bool bring_together(ScalarType dtype, std::initializer_list<const Tensor*> operands,
                    std::array<Blocked, kMaxOperands>& in_blocks, const Tensor*& like) {
  assert(operands.size() <= kMaxOperands);
  like = nullptr;
  ChannelBlocks blocks;
  for (const Tensor* x : operands) {
    if (x->sizes() != (*operands.begin())->sizes() || x->scalar_type() != dtype) {
      return false;
    }
    if (const Blocked own = like == nullptr ? any_blocks(*x) : Blocked(); own) {
      like = x;
      blocks = own.blocks;
    }
  }
  if (like == nullptr) {
    return false;
  }
  std::transform(operands.begin(), operands.end(), in_blocks.begin(),
                 [&](const Tensor* x) { return as_blocked(*x, blocks); });
  return true;
}

}  // namespace

ChannelBlocks blocks_of(IntArrayRef sizes, std::int64_t block) {
  ChannelBlocks blocks{.batch = sizes[0], .channels = sizes[1], .spatial = 1, .block = block};
  for (std::size_t d = 2; d < sizes.size(); ++d) {
    blocks.spatial *= sizes[d];
  }
  return blocks;
}

Blocked any_blocks(const Tensor& x) {
  if (!may_be_blocked(x)) [[likely]] {
    return {};
  }
  const BlockedElements own = x.impl().storage->blocked();
  if (!own.storage || !has_sizes(x, own.blocks)) {
    return {};
  }
  return {flat(own.storage, own.blocks, x.scalar_type()), own.blocks};
}

Blocked blocked(const Tensor& x) {
  Blocked own = any_blocks(x);
  return own.blocks.batch_block == 1 ? std::move(own) : Blocked();
}

std::int64_t block_of(const Tensor& x) {
  const Blocked own = blocked(x);
  return own ? own.blocks.block : 1;
}

Tensor empty_blocked(IntArrayRef sizes, ScalarType dtype, std::int64_t block) {
  return empty_blocked(sizes, dtype, blocks_of(sizes, block));
}

Tensor empty_blocked(IntArrayRef sizes, ScalarType dtype, const ChannelBlocks& blocks) {
  if (blocks.is_row_major() || blocks.elements() == 0) {
    return empty_tensor(sizes, dtype);
  }
  return Tensor(TensorImpl::make(Storage::make_blocked(blocks, dtype, unblock), dtype, sizes));
}

Tensor blocked_over(const Tensor& elements, IntArrayRef sizes, const ChannelBlocks& blocks) {
  const ScalarType dtype = elements.scalar_type();
  const IntrusivePtr<Storage> memory =
      Storage::wrap(elements.mutable_data_ptr(), elements.nbytes(), [elements](void*) {});
  return Tensor(TensorImpl::make(Storage::make_blocked(memory, blocks, dtype, unblock), dtype, sizes));
}

Blocked as_blocked(const Tensor& x, std::int64_t block) { return as_blocked(x, blocks_of(x.sizes(), block)); }

Blocked as_blocked(const Tensor& x, const ChannelBlocks& want) {
  if (Blocked own = any_blocks(x); own && own.blocks == want) {
    return own;
  }
  if (want.is_row_major() && x.is_contiguous()) {
    return {view_of(x, {x.numel()}, {1}, x.storage_offset()), want};
  }
  Blocked copy{empty_tensor({want.elements()}, x.scalar_type()), want};
  write_blocks(copy, x);
  return copy;
}

Blocked keep_in_blocks(const Tensor& x, const ChannelBlocks& blocks) {
  if (Blocked own = any_blocks(x); own && own.blocks == blocks) {
    return own;
  }
  IntrusivePtr<Storage>& storage = x.impl().storage;
  if (storage->is_deferred()) {
    storage->data();  // what was put off holds it too
  }
  if (!storage->has_sole_owner() || storage->is_exposed() || !has_sizes(x, blocks) ||
      storage->bytes() != static_cast<std::size_t>(x.nbytes())) {
    return {};
  }
  const IntrusivePtr<Storage> fresh = Storage::make_blocked(blocks, x.scalar_type(), unblock, storage.get());
  write_blocks({flat(fresh->blocked().storage, blocks, x.scalar_type()), blocks}, x);
  storage = fresh;
  return any_blocks(x);
}

void unblock(std::byte* plain, const std::byte* blocked, const ChannelBlocks& blocks, ScalarType dtype) {
  if (blocks.batch_block != 1) {
    unblock_weights(reinterpret_cast<float*>(plain), reinterpret_cast<const float*>(blocked), blocks);
    return;
  }
  count_activation_reorder();
  const auto over = [&](const std::byte* data, std::int64_t n) {
    const std::size_t bytes = static_cast<std::size_t>(n) * element_size(dtype);
    return Tensor(TensorImpl::make(Storage::wrap(const_cast<std::byte*>(data), bytes, nullptr), dtype, {n}));
  };
  for_both(over(plain, blocks.batch * blocks.channels * blocks.spatial), over(blocked, blocks.elements()), blocks,
           [](const Tensor& to, const Tensor& from) { kernels::copy(to, from); });
}

void clear_padding(const Blocked& x) {
  const ChannelBlocks& b = x.blocks;
  if (b.is_padded()) {
    const std::int64_t rest = b.channels % b.block;
    const std::int64_t last = (b.blocks() - 1) * b.spatial * b.block;
    kernels::fill(
        view_of(x.elements, {b.batch, b.spatial, b.block - rest}, {b.sample_elements(), b.block, 1}, last + rest), 0);
  }
}

Tensor elementwise_in_blocks(ScalarType dtype, std::initializer_list<const Tensor*> operands,
                             FunctionRef<void(const Tensor& y, const Tensor* operands)> kernel) {
  std::array<Blocked, kMaxOperands> in_blocks;
  const Tensor* like = nullptr;
  if (!bring_together(dtype, operands, in_blocks, like)) {
    return {};
  }
  Tensor y = empty_blocked(like->sizes(), dtype, in_blocks[0].blocks);
  const Blocked result = as_blocked(y, in_blocks[0].blocks);
  std::array<Tensor, kMaxOperands> elements;
  std::transform(in_blocks.begin(), in_blocks.end(), elements.begin(), [](const Blocked& x) { return x.elements; });
  kernel(result.elements, elements.data());
  clear_padding(result);
  return y;
}

bool elementwise_into_blocks(std::initializer_list<const Tensor*> operands,
                             FunctionRef<void(const Tensor* operands)> kernel) {
  const Tensor& y = **operands.begin();
  const Tensor* like = nullptr;
  std::array<Blocked, kMaxOperands> in_blocks;
  if (!any_blocks(y) || !bring_together(y.scalar_type(), operands, in_blocks, like)) {
    return false;
  }
  std::array<Tensor, kMaxOperands> elements;
  std::transform(in_blocks.begin(), in_blocks.end(), elements.begin(), [](const Blocked& x) { return x.elements; });
  kernel(elements.data());
  clear_padding(in_blocks[0]);
  return true;
}

}  // namespace backflow::kernels
