#include <backflow/ops/kernels/packed_weights.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/counts_internal.h>
#include <backflow/ops/kernels/elementwise.h>
#include <backflow/runtime/threads.h>

namespace backflow::kernels {
namespace {

using dnnl::memory;

constexpr std::int64_t kPieceBytes = 1 << 20;
constexpr std::int64_t kAligned = 64;  // filters of a piece: a multiple of all blocks of oneDNN

/// The packed forms of one storage of weights, all of them made at the same change.
struct PackedForms {
  std::mutex mutex;
  std::uint32_t changes = 0;
  std::vector<std::pair<memory::desc, IntrusivePtr<Storage>>> forms;
};

memory::dims dims_of(const memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  return desc.get_dims();
#else
  return desc.dims();
#endif
}

void reorder(const memory::desc& from_desc, std::byte* from, const memory::desc& to_desc, std::byte* to) {
  const SingleOpenMpThread single;
  memory source(from_desc, onednn_engine(), from);
  memory target(to_desc, onednn_engine(), to);
  dnnl::reorder(source, target).execute(onednn_stream(), source, target);
  onednn_stream().wait();
}

IntrusivePtr<Storage> pack(const Tensor& w, const memory::desc& plain, const memory::desc& packed) {
  count_weight_reorder();
  IntrusivePtr<Storage> storage = Storage::make(packed.get_size());
  Tensor dense = w;
  if (!w.is_contiguous()) {
    dense = empty_tensor(w.sizes(), w.scalar_type());
    copy(dense, w);
  }
  reorder_weights(plain, static_cast<std::byte*>(dense.mutable_data_ptr()), packed, storage->data());
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

IntrusivePtr<Storage> packed_weights(const Tensor& w, const memory::desc& plain, const memory::desc& packed) {
  const IntrusivePtr<Storage>& own = w.impl().storage;
  const bool is_whole = w.is_contiguous() && w.storage_offset() == 0 && own->bytes() == w.nbytes();
  if (is_whole && plain == packed) {
    return own;
  }
  if (!is_whole || own->is_exposed()) {
    return pack(w, plain, packed);
  }
  const auto cache = std::static_pointer_cast<PackedForms>(
      own->derived([]() -> std::shared_ptr<void> { return std::make_shared<PackedForms>(); }));
  const std::scoped_lock lock(cache->mutex);
  if (const std::uint32_t changes = own->changes(); changes != cache->changes) {
    cache->forms.clear();
    cache->changes = changes;
  }
  for (const auto& [desc, storage] : cache->forms) {
    if (desc == packed) {
      return storage;
    }
  }
  return cache->forms.emplace_back(packed, pack(w, plain, packed)).second;
}

}  // namespace backflow::kernels
