#include <backflow/ops/kernels/products/packed_weights.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/kernel_counts.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/layout/dense.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

using dnnl::memory;

constexpr std::int64_t kPieceBytes = 16 << 10;  // at least: about 8 us
constexpr std::int64_t kVector = 16;            // filters of a piece at least
constexpr double kBytesPerNanosecond = 2;

/// One form of weights. While they are trained each is used once between two updates: then it is not worth its memory.
struct PackedForm {
  memory::desc desc;  // of one part
  WeightParts parts;
  IntrusivePtr<Storage> elements;  // none while it is out of date or not worth keeping
  std::uint32_t changes = 0;       // of the weights, when it was made last
  bool was_reused = false;         // since then
};

struct PackedForms {
  std::mutex mutex;
  std::vector<PackedForm> forms;
};

struct Reorder {
  memory::desc from;
  memory::desc to;
  dnnl::reorder primitive;
  memory::desc scratchpad;
};

/// The copy from one form into another, made once: that takes oneDNN 20 us.
std::shared_ptr<const Reorder> reorder_between(const memory::desc& from, const memory::desc& to) {
  using Key = std::pair<memory::dims, std::pair<std::size_t, std::size_t>>;
  static std::mutex mutex;
  static std::multimap<Key, std::shared_ptr<const Reorder>> kept;
  constexpr std::size_t kMaxKept = 4096;
  const Key key{dims_of(to), {from.get_size(), to.get_size()}};
  const std::scoped_lock lock(mutex);
  const auto [begin, end] = kept.equal_range(key);
  const auto found =
      std::find_if(begin, end, [&](const auto& entry) { return entry.second->from == from && entry.second->to == to; });
  if (found != end) {
    return found->second;
  }
  if (kept.size() >= kMaxKept) {
    kept.clear();
  }
  // A scratchpad of the caller's: several threads may run one primitive at the same time.
  const dnnl::reorder::primitive_desc desc(onednn_engine(), from, onednn_engine(), to, user_scratchpad());
  auto made = std::make_shared<const Reorder>(Reorder{from, to, dnnl::reorder(desc), desc.scratchpad_desc()});
  kept.emplace(key, made);
  return made;
}

void reorder(const memory::desc& from_desc, std::byte* from, const memory::desc& to_desc, std::byte* to) {
  const SingleOpenMpThread single;
  const std::shared_ptr<const Reorder> kept = reorder_between(from_desc, to_desc);
  run_primitive(kept->primitive, kept->scratchpad,
                {{DNNL_ARG_FROM, over(from_desc, from)}, {DNNL_ARG_TO, over(to_desc, to)}});
}

/// The three dimensions of weights that ChannelBlocks knows.
DimVector flat_sizes(const ChannelBlocks& blocks) { return {blocks.batch, blocks.channels, blocks.spatial}; }

memory::desc flat_plain(const ChannelBlocks& blocks) {
  return {onednn_dims(flat_sizes(blocks)), memory::data_type::f32, memory::format_tag::abc};
}

/// Whether weights of the same sizes lie in memory alike. Parts of the first dimension may lie as they do in the whole.
bool lie_alike(const memory::desc& a, const WeightParts& a_parts, const memory::desc& b, const WeightParts& b_parts) {
  if (a_parts == b_parts) {
    return a == b;
  }
  const auto is_first = [](const WeightParts& parts) { return parts.dim == 0 || parts.count == 1; };
  const auto bytes = [](const memory::desc& desc, const WeightParts& parts) {
    return desc.get_size() * static_cast<std::size_t>(parts.count);
  };
  return is_first(a_parts) && is_first(b_parts) && bytes(a, a_parts) == bytes(b, b_parts) &&
         dims_of(a).size() == dims_of(b).size() && block_layout(a) == block_layout(b);
}

/// How many elements of dimension `dim` a block has.
std::int64_t block_of(const BlockLayout& layout, std::size_t dim) {
  std::int64_t block = 1;
  for (std::size_t i = 0; i < layout.inner_sizes.size(); ++i) {
    block *= layout.inner_dims[i] == static_cast<std::int64_t>(dim) ? layout.inner_sizes[i] : 1;
  }
  return block;
}

/// The distance of element `index` of dimension `dim` from the first, which must be the first of a block.
std::int64_t offset_of(const memory::desc& desc, std::size_t dim, std::int64_t index) {
  const BlockLayout layout = block_layout(desc);
  return index / block_of(layout, dim) * layout.strides[dim];
}

/// Copies weights into parts, of which `to_desc` is one. Runs of filters of a part are copied alone only where a piece
/// has not the whole part. The cut is free: nothing is computed.
void reorder_parts(const memory::desc& from_desc, std::byte* from, const memory::desc& to_desc, std::byte* to,
                   const WeightParts& parts) {
  if (is_opaque(from_desc) || is_opaque(to_desc)) {  // those of Winograd's algorithm
    reorder(from_desc, from, to_desc, to);
    return;
  }
  const memory::dims part = dims_of(to_desc);
  // Whole blocks of both forms.
  const std::int64_t block = std::lcm(block_of(block_layout(from_desc), 0), block_of(block_layout(to_desc), 0));
  const std::int64_t aligned = std::lcm(block, kVector);
  const std::int64_t filters = part[0] > 0 && part[0] % aligned == 0 ? aligned : part[0];
  const std::int64_t runs = part[0] > filters ? part[0] / filters : 1;
  const auto bytes = static_cast<std::int64_t>(from_desc.get_size());
  const std::int64_t pieces = free_pieces(std::clamp<std::int64_t>(bytes / kPieceBytes, 1, parts.count * runs),
                                          static_cast<double>(bytes) / kBytesPerNanosecond);
  if (pieces == 1 && parts.count == 1) {
    reorder(from_desc, from, to_desc, to);
    return;
  }
  const auto copy_runs = [&](std::int64_t run, std::int64_t count) {
    memory::dims sizes = part;
    sizes[0] = count * filters;
    const memory::dims zeros(sizes.size(), 0);
    const std::int64_t first = run % runs * filters;
    const std::int64_t source = offset_of(from_desc, parts.dim, run / runs * part[parts.dim]);
    const auto of = static_cast<std::int64_t>(sizeof(float));
    reorder(from_desc.submemory_desc(sizes, zeros), from + (source + offset_of(from_desc, 0, first)) * of,
            to_desc.submemory_desc(sizes, zeros),
            to + run / runs * static_cast<std::int64_t>(to_desc.get_size()) + offset_of(to_desc, 0, first) * of);
  };
  parallel_for(pieces, [&](std::int64_t piece) {
    const std::int64_t end = begin_of_piece(piece + 1, pieces, parts.count * runs);
    for (std::int64_t run = begin_of_piece(piece, pieces, parts.count * runs); run < end;) {
      const std::int64_t count = std::min(end - run, runs - run % runs);
      copy_runs(run, count);
      run += count;
    }
  });
}

/// Packs w, of which `own` are the blocks of filters and channels, if it is kept in any.
IntrusivePtr<Storage> pack(const Tensor& w, const Blocked& own, const memory::desc& plain, const memory::desc& packed,
                           const WeightParts& parts) {
  count_weight_reorder();
  IntrusivePtr<Storage> storage = Storage::make(packed.get_size() * static_cast<std::size_t>(parts.count));
  if (own && dims_of(packed)[parts.dim] % own.blocks.block == 0) {
    reorder_parts(packed_desc(w.sizes(), own.blocks.block), static_cast<std::byte*>(own.elements.mutable_data_ptr()),
                  packed, storage->data(), parts);
  } else {
    reorder_parts(plain, static_cast<std::byte*>(dense(w).mutable_data_ptr()), packed, storage->data(), parts);
  }
  return storage;
}

}  // namespace

void reorder_weights(const memory::desc& from_desc, std::byte* from, const memory::desc& to_desc, std::byte* to) {
  reorder_parts(from_desc, from, to_desc, to, {});
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

IntrusivePtr<Storage> packed_weights(const Tensor& w, const memory::desc& plain, const memory::desc& packed,
                                     const WeightParts& parts) {
  const IntrusivePtr<Storage>& own = w.impl().storage;
  const bool is_whole = w.is_contiguous() && w.storage_offset() == 0 && own->bytes() == w.nbytes();
  Blocked blocks = is_whole ? any_blocks(w) : Blocked();
  if (blocks && blocks.blocks.batch_block == 1) {
    blocks = {};
  }
  if (blocks && lie_alike(packed_desc(w.sizes(), blocks.blocks.block), {}, packed, parts)) {
    return blocks.elements.impl().storage;
  }
  if (is_whole && lie_alike(plain, {}, packed, parts)) {
    return own;
  }
  if (!is_whole) {
    return pack(w, {}, plain, packed, parts);
  }
  const auto cache = std::static_pointer_cast<PackedForms>(
      own->derived([]() -> std::shared_ptr<void> { return std::make_shared<PackedForms>(); }));
  const std::scoped_lock lock(cache->mutex);
  if (own->is_exposed()) {
    cache->forms.clear();
    return pack(w, {}, plain, packed, parts);
  }
  const std::uint32_t changes = own->changes();
  PackedForm* form = nullptr;
  for (PackedForm& f : cache->forms) {
    if (f.changes != changes) {
      f.elements.reset();
    }
    form = lie_alike(f.desc, f.parts, packed, parts) ? &f : form;
  }
  const bool is_new = form == nullptr;
  if (is_new) {
    form = &cache->forms.emplace_back(PackedForm{.desc = packed, .parts = parts, .elements = {}});
  }
  const bool is_asked_again = !is_new && form->changes == changes;
  if (is_asked_again && form->elements) {
    form->was_reused = true;
    return form->elements;
  }
  IntrusivePtr<Storage> elements = pack(w, blocks, plain, packed, parts);
  const bool keeps = is_new || is_asked_again || form->was_reused;
  form->elements = keeps ? elements : nullptr;
  form->was_reused = is_asked_again;
  form->changes = changes;
  return elements;
}

}  // namespace backflow::kernels
