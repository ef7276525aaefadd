#include <backflow/ops/kernels/products/packed_weights.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/kernel_counts.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/layout/dense.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::kernels {
namespace {

using dnnl::memory;

constexpr std::int64_t kPieceBytes = 1 << 20;
constexpr std::int64_t kAligned = 64;  // filters of a piece: a multiple of all blocks of oneDNN

/// One form of weights. While they are trained each is used once between two updates: then it is not worth its memory.
struct PackedForm {
  memory::desc desc;
  IntrusivePtr<Storage> elements;  // none while it is out of date or not worth keeping
  std::uint32_t changes = 0;       // of the weights, when it was made last
  bool was_reused = false;         // since then
};

struct PackedForms {
  std::mutex mutex;
  std::vector<PackedForm> forms;
};

void reorder(const memory::desc& from_desc, std::byte* from, const memory::desc& to_desc, std::byte* to) {
  const SingleOpenMpThread single;
  memory source = over(from_desc, from);
  memory target = over(to_desc, to);
  dnnl::reorder(source, target).execute(onednn_stream(), source, target);
  onednn_stream().wait();
}

/// The three dimensions of weights that ChannelBlocks knows.
DimVector flat_sizes(const ChannelBlocks& blocks) { return {blocks.batch, blocks.channels, blocks.spatial}; }

memory::desc flat_plain(const ChannelBlocks& blocks) {
  return {onednn_dims(flat_sizes(blocks)), memory::data_type::f32, memory::format_tag::abc};
}

/// Packs w, of which `own` are the blocks of filters and channels, if it is kept in any.
IntrusivePtr<Storage> pack(const Tensor& w, const Blocked& own, const memory::desc& plain, const memory::desc& packed) {
  count_weight_reorder();
  IntrusivePtr<Storage> storage = Storage::make(packed.get_size());
  if (own) {
    reorder_weights(packed_desc(w.sizes(), own.blocks.block), static_cast<std::byte*>(own.elements.mutable_data_ptr()),
                    packed, storage->data());
  } else {
    reorder_weights(plain, static_cast<std::byte*>(dense(w).mutable_data_ptr()), packed, storage->data());
  }
  return storage;
}

}  // namespace

void reorder_weights(const memory::desc& from_desc, std::byte* from, const memory::desc& to_desc, std::byte* to) {
  const memory::dims sizes = dims_of(from_desc);
  const std::int64_t pieces =
      std::min<std::int64_t>(static_cast<std::int64_t>(from_desc.get_size()) / kPieceBytes, sizes[0] / kAligned);
  if (pieces < 2 || sizes[0] % kAligned != 0) {
    reorder(from_desc, from, to_desc, to);
    return;
  }
  parallel_for(pieces, [&](std::int64_t i) {
    const std::int64_t blocks = sizes[0] / kAligned;
    const std::int64_t begin = i * blocks / pieces * kAligned;
    memory::dims part = sizes;
    part[0] = (i + 1) * blocks / pieces * kAligned - begin;
    memory::dims offsets(sizes.size(), 0);
    offsets[0] = begin;
    reorder(from_desc.submemory_desc(part, offsets), from, to_desc.submemory_desc(part, offsets), to);
  });
}

memory::desc packed_desc(IntArrayRef sizes, std::int64_t block) {
  using Tag = memory::format_tag;
  constexpr std::array kBy8{Tag::OIw8i8o, Tag::OIhw8i8o, Tag::OIdhw8i8o};
  constexpr std::array kBy16{Tag::OIw16i16o, Tag::OIhw16i16o, Tag::OIdhw16i16o};
  return {onednn_dims(sizes), memory::data_type::f32, (block == 8 ? kBy8 : kBy16)[sizes.size() - 3]};
}

std::optional<ChannelBlocks> weight_blocks(IntArrayRef sizes, const memory::desc& packed) {
  for (const std::int64_t block : {std::int64_t{16}, std::int64_t{8}}) {
    if (sizes.size() >= 3 && sizes.size() <= 5 && sizes[0] % block == 0 && sizes[1] % block == 0 &&
        numel_of(sizes) > 0 && dims_of(packed).size() == sizes.size() && packed == packed_desc(sizes, block)) {
      ChannelBlocks blocks = blocks_of(sizes, block);
      blocks.batch_block = block;
      return blocks;
    }
  }
  return std::nullopt;
}

void block_weights(float* blocked, const float* plain, const ChannelBlocks& blocks) {
  count_weight_reorder();
  reorder_weights(flat_plain(blocks), reinterpret_cast<std::byte*>(const_cast<float*>(plain)),
                  packed_desc(flat_sizes(blocks), blocks.block), reinterpret_cast<std::byte*>(blocked));
}

void unblock_weights(float* plain, const float* blocked, const ChannelBlocks& blocks) {
  count_weight_reorder();
  reorder_weights(packed_desc(flat_sizes(blocks), blocks.block),
                  reinterpret_cast<std::byte*>(const_cast<float*>(blocked)), flat_plain(blocks),
                  reinterpret_cast<std::byte*>(plain));
}

IntrusivePtr<Storage> packed_weights(const Tensor& w, const memory::desc& plain, const memory::desc& packed) {
  const IntrusivePtr<Storage>& own = w.impl().storage;
  const bool is_whole = w.is_contiguous() && w.storage_offset() == 0 && own->bytes() == w.nbytes();
  Blocked blocks = is_whole ? any_blocks(w) : Blocked();
  if (blocks && blocks.blocks.batch_block == 1) {
    blocks = {};
  }
  if (blocks && weight_blocks(w.sizes(), packed) == blocks.blocks) {
    return blocks.elements.impl().storage;
  }
  if (is_whole && plain == packed) {
    return own;
  }
  if (!is_whole) {
    return pack(w, {}, plain, packed);
  }
  const auto cache = std::static_pointer_cast<PackedForms>(
      own->derived([]() -> std::shared_ptr<void> { return std::make_shared<PackedForms>(); }));
  const std::scoped_lock lock(cache->mutex);
  if (own->is_exposed()) {
    cache->forms.clear();
    return pack(w, {}, plain, packed);
  }
  const std::uint32_t changes = own->changes();
  PackedForm* form = nullptr;
  for (PackedForm& f : cache->forms) {
    if (f.changes != changes) {
      f.elements.reset();
    }
    form = f.desc == packed ? &f : form;
  }
  const bool is_new = form == nullptr;
  if (is_new) {
    form = &cache->forms.emplace_back(PackedForm{.desc = packed, .elements = {}});
  }
  const bool is_asked_again = !is_new && form->changes == changes;
  if (is_asked_again && form->elements) {
    form->was_reused = true;
    return form->elements;
  }
  IntrusivePtr<Storage> elements = pack(w, blocks, plain, packed);
  const bool keeps = is_new || is_asked_again || form->was_reused;
  form->elements = keeps ? elements : nullptr;
  form->was_reused = is_asked_again;
  form->changes = changes;
  return elements;
}

}  // namespace backflow::kernels
