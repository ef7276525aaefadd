#include <backflow/runtime/tensor/storage.h>

#include <mutex>
#include <new>
#include <utility>

#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/threads/deferred_work.h>

namespace backflow {

/// The forms of the elements other than the bytes behind the header. `mutex` guards all but `derived`'s inside.
struct StorageForms {
  std::mutex mutex;
  BlockedElements blocked;      // until row-major bytes are asked for
  ScalarType dtype = kFloat32;  // of blocked
  Storage::Unblock unblock = nullptr;
  IntrusivePtr<Storage> plain;  // the row-major bytes made of blocked
  std::shared_ptr<void> derived;
};

namespace {

constexpr std::size_t kLargeBytes = std::size_t{64} << 10;  // of storage that runs deferred work before it is made
constexpr std::size_t kHeaderBytes = 64;                    // keeps the bytes behind the header 64-byte aligned
static_assert(sizeof(Storage) <= kHeaderBytes);

}  // namespace

Storage::~Storage() { delete forms_.load(std::memory_order_acquire); }

IntrusivePtr<Storage> Storage::make(std::size_t bytes) {
  if (bytes >= kLargeBytes) [[unlikely]] {
    run_deferred_work();  // what it keeps alive must not be held beside large new tensors
  }
  auto* block = static_cast<std::byte*>(allocate(kHeaderBytes + bytes));
  return IntrusivePtr<Storage>(new (block) Storage(block + kHeaderBytes, bytes));
}

IntrusivePtr<Storage> Storage::wrap(void* data, std::size_t bytes, std::function<void(void*)> deleter) {
  auto owned = std::make_unique<std::function<void(void*)>>(std::move(deleter));
  auto* storage = new (allocate(kHeaderBytes)) Storage(static_cast<std::byte*>(data), bytes);
  storage->deleter_ = owned.release();
  storage->expose();
  return IntrusivePtr<Storage>(storage);
}

IntrusivePtr<Storage> Storage::alias(const IntrusivePtr<Storage>& storage, std::uint32_t version) {
  IntrusivePtr<Storage> out = wrap(storage->data(), storage->bytes_, nullptr);
  out->owner_ = storage->owner_ ? storage->owner_ : storage;
  out->version_.store(version, std::memory_order_relaxed);
  return out;
}

IntrusivePtr<Storage> Storage::make_blocked(const ChannelBlocks& blocks, ScalarType dtype, Unblock unblock,
                                            const Storage* previous) {
  const auto width = static_cast<std::int64_t>(element_size(dtype));
  IntrusivePtr<Storage> storage =
      make_blocked(make(static_cast<std::size_t>(blocks.elements() * width)), blocks, dtype, unblock);
  if (previous != nullptr) {
    storage->version_.store(previous->version(), std::memory_order_relaxed);
    storage->recorded_changes_.store(previous->recorded_changes(), std::memory_order_relaxed);
    storage->changes_.store(previous->changes(), std::memory_order_relaxed);
  }
  return storage;
}

IntrusivePtr<Storage> Storage::make_blocked(IntrusivePtr<Storage> elements, const ChannelBlocks& blocks,
                                            ScalarType dtype, Unblock unblock) {
  auto forms = std::make_unique<StorageForms>();
  forms->dtype = dtype;
  forms->unblock = unblock;
  forms->blocked = {std::move(elements), blocks};
  const auto bytes = static_cast<std::size_t>(blocks.batch * blocks.channels * blocks.spatial) * element_size(dtype);
  auto* storage = new (allocate(kHeaderBytes)) Storage(nullptr, bytes);
  storage->forms_.store(forms.release(), std::memory_order_release);
  return IntrusivePtr<Storage>(storage);
}

IntrusivePtr<Storage> Storage::make_deferred(std::size_t bytes) {
  auto* storage = new (allocate(kHeaderBytes)) Storage(nullptr, bytes);
  storage->is_deferred_ = true;
  return IntrusivePtr<Storage>(storage);
}

void Storage::give_bytes(IntrusivePtr<Storage> donor) const {
  owner_ = !donor ? make(bytes_) : donor->is_deferred_ ? donor->owner_ : std::move(donor);
  owner_->note_change();
  if (is_exposed_.load(std::memory_order_relaxed)) {
    owner_->expose();
  }
  data_.store(owner_->data(), std::memory_order_release);
}

StorageForms& Storage::forms() const {
  StorageForms* forms = forms_.load(std::memory_order_acquire);
  if (forms == nullptr) {
    auto fresh = std::make_unique<StorageForms>();
    if (forms_.compare_exchange_strong(forms, fresh.get(), std::memory_order_acq_rel)) {
      forms = fresh.release();
    }
  }
  return *forms;
}

BlockedElements Storage::blocked() const {
  StorageForms* forms = forms_.load(std::memory_order_acquire);
  if (forms == nullptr) {
    return {};
  }
  const std::scoped_lock lock(forms->mutex);
  return forms->blocked;
}

std::byte* Storage::unblocked() const {
  if (is_deferred_) {
    run_deferred_work();
    if (may_be_blocked()) {
      give_bytes();
    }
    return data_.load(std::memory_order_acquire);
  }
  StorageForms* forms = forms_.load(std::memory_order_acquire);
  if (forms == nullptr) {
    return nullptr;  // the user's own memory of no bytes
  }
  const std::scoped_lock lock(forms->mutex);
  if (forms->blocked.storage) {
    const BlockedElements& blocked = forms->blocked;
    if (blocked.blocks.is_row_major()) {
      forms->plain = blocked.storage;
    } else {
      forms->plain = make(bytes_);
      forms->unblock(forms->plain->data(), blocked.storage->data(), blocked.blocks, forms->dtype);
    }
    data_.store(forms->plain->data(), std::memory_order_release);
    forms->blocked = {};
  }
  return data_.load(std::memory_order_acquire);
}

std::shared_ptr<void> Storage::derived(std::shared_ptr<void> (*make_it)()) const {
  StorageForms& forms = bytes_owner()->forms();
  const std::scoped_lock lock(forms.mutex);
  if (!forms.derived) {
    forms.derived = make_it();
  }
  return forms.derived;
}

void Storage::destroy() noexcept {
  std::size_t block_bytes = kHeaderBytes;
  if (deleter_ != nullptr) {
    if (*deleter_) {
      (*deleter_)(data_.load(std::memory_order_relaxed));
    }
    delete deleter_;
  } else if (data_.load(std::memory_order_relaxed) == reinterpret_cast<std::byte*>(this) + kHeaderBytes) {
    block_bytes += bytes_;
  }
  this->~Storage();
  deallocate(this, block_bytes);
}

}  // namespace backflow
