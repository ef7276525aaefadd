#include <backflow/runtime/storage.h>

#include <new>
#include <utility>

#include <backflow/runtime/memory.h>

namespace backflow {
namespace {

constexpr std::size_t kHeaderBytes = 64;  // keeps the bytes behind the header 64-byte aligned
static_assert(sizeof(Storage) <= kHeaderBytes);

}  // namespace

IntrusivePtr<Storage> Storage::make(std::size_t bytes) {
  auto* block = static_cast<std::byte*>(allocate(kHeaderBytes + bytes));
  return IntrusivePtr<Storage>(new (block) Storage(block + kHeaderBytes, bytes));
}

IntrusivePtr<Storage> Storage::wrap(void* data, std::size_t bytes, std::function<void(void*)> deleter) {
  auto owned = std::make_unique<std::function<void(void*)>>(std::move(deleter));
  auto* storage = new (allocate(kHeaderBytes)) Storage(static_cast<std::byte*>(data), bytes);
  storage->deleter_ = owned.release();
  return IntrusivePtr<Storage>(storage);
}

IntrusivePtr<Storage> Storage::alias(const IntrusivePtr<Storage>& storage, std::uint32_t version) {
  IntrusivePtr<Storage> out = wrap(storage->data_, storage->bytes_, nullptr);
  out->owner_ = storage->owner_ ? storage->owner_ : storage;
  out->version_.store(version, std::memory_order_relaxed);
  return out;
}

void Storage::destroy() noexcept {
  std::size_t block_bytes = kHeaderBytes;
  if (deleter_ == nullptr) {
    block_bytes += bytes_;
  } else {
    if (*deleter_) {
      (*deleter_)(data_);
    }
    delete deleter_;
  }
  this->~Storage();
  deallocate(this, block_bytes);
}

}  // namespace backflow
