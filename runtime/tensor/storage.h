#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include <backflow/runtime/memory/intrusive_ptr.h>
#include <backflow/runtime/tensor/channel_blocks.h>
#include <backflow/runtime/tensor/dtype.h>

namespace backflow {

class Storage;
struct StorageForms;

/// The elements of a storage that are kept in channel blocks. They have a storage of their own; it is undefined when
/// there are none.
struct BlockedElements {
  IntrusivePtr<Storage> storage;
  ChannelBlocks blocks;
};

/// The bytes that a tensor and its views share. Header and bytes are one allocation, unless the bytes are the user's
/// (`from_blob`). `version` counts the in-place changes, so that backward finds saved tensors that have changed.
///
/// Operators may keep the elements in channel blocks (`make_blocked`). The first call of `data()` then makes a
/// row-major copy and drops the blocks.
class Storage : public RefCounted {
 public:
  /// Uninitialized storage of `bytes` bytes, 64-byte aligned.
  static IntrusivePtr<Storage> make(std::size_t bytes);
  /// Storage over the caller's memory; `deleter(data)` runs when the last tensor over it is gone.
  static IntrusivePtr<Storage> wrap(void* data, std::size_t bytes, std::function<void(void*)> deleter);
  /// The same bytes with another version counter, which starts at `version`: a change through one does not count for
  /// the other.
  static IntrusivePtr<Storage> alias(const IntrusivePtr<Storage>& storage, std::uint32_t version);
  /// Writes elements in channel blocks row-major to `plain`.
  using Unblock = void (*)(std::byte* plain, const std::byte* blocked, const ChannelBlocks& blocks, ScalarType dtype);
  /// Uninitialized storage of a tensor whose elements are in channel blocks, see blocked(). `unblock` makes the
  /// row-major bytes when they are asked for. The counters go on from those of `previous`, which it replaces.
  static IntrusivePtr<Storage> make_blocked(const ChannelBlocks& blocks, ScalarType dtype, Unblock unblock,
                                            const Storage* previous = nullptr);
  /// The same over `elements`, which has room for them.
  static IntrusivePtr<Storage> make_blocked(IntrusivePtr<Storage> elements, const ChannelBlocks& blocks,
                                            ScalarType dtype, Unblock unblock);

  /// Uninitialized storage without bytes yet, for a result that deferred work (deferred_work.h) may write. The first
  /// call of data() runs what this thread has put off, and gives it bytes if it still has none. No other thread may see
  /// it before.
  static IntrusivePtr<Storage> make_deferred(std::size_t bytes);
  bool is_deferred() const { return is_deferred_ && may_be_blocked(); }
  /// Gives a deferred storage its bytes: those of `donor`, which nobody else uses any more, or fresh ones.
  void give_bytes(IntrusivePtr<Storage> donor = nullptr) const;

  /// The row-major bytes. Elements in channel blocks are copied to row-major order first, under a lock. Thread-safe.
  std::byte* data() const {
    std::byte* data = data_.load(std::memory_order_acquire);
    return data != nullptr ? data : unblocked();
  }
  std::size_t bytes() const { return bytes_; }
  /// False only when the elements are certainly row-major.
  bool may_be_blocked() const { return data_.load(std::memory_order_acquire) == nullptr; }
  /// The elements in channel blocks, if they are kept so. The returned storage stays valid and in this order, even when
  /// another thread makes the row-major copy.
  BlockedElements blocked() const;
  /// True when both have the same bytes.
  bool shares_bytes(const Storage& other) const { return bytes_owner() == other.bytes_owner(); }

  /// Whether the caller's handle is the only one on these bytes, aliases included.
  bool has_sole_owner() const { return use_count() == 1 && (!owner_ || owner_->use_count() == 1); }

  std::uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() {
    version_.fetch_add(1, std::memory_order_relaxed);
    note_change();
  }
  /// Counts the in-place changes that were recorded: after one, the history of an earlier view is out of date.
  std::uint32_t recorded_changes() const { return recorded_changes_.load(std::memory_order_relaxed); }
  void bump_recorded_changes() { recorded_changes_.fetch_add(1, std::memory_order_relaxed); }

  /// Counts the changes of the bytes through all aliases, including inference tensors, which have no version.
  void note_change() { bytes_owner()->changes_.fetch_add(1, std::memory_order_release); }
  std::uint32_t changes() const { return bytes_owner()->changes_.load(std::memory_order_acquire); }
  /// Notes that the address of the bytes was given out. Its owner may change them unnoticed, so nothing derived from
  /// them may be cached.
  void expose() const {
    const Storage* owner = bytes_owner();
    if (!owner->is_exposed_.load(std::memory_order_relaxed)) {
      owner->is_exposed_.store(true, std::memory_order_relaxed);
    }
  }
  bool is_exposed() const { return bytes_owner()->is_exposed_.load(std::memory_order_relaxed); }
  /// The cache of what operators derive from the bytes, such as packed weights. Made by `make_it` at first, freed with
  /// the bytes. Thread-safe. The operators check by changes() whether it is out of date.
  std::shared_ptr<void> derived(std::shared_ptr<void> (*make_it)()) const;

  /// Called by IntrusivePtr.
  void destroy() noexcept;

 private:
  Storage(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  ~Storage();

  const Storage* bytes_owner() const { return owner_ ? owner_.get() : this; }
  Storage* bytes_owner() { return owner_ ? owner_.get() : this; }
  StorageForms& forms() const;
  std::byte* unblocked() const;

  mutable std::atomic<std::byte*> data_;  ///< null while the elements are in channel blocks
  std::size_t bytes_;
  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::uint32_t> recorded_changes_{0};
  std::atomic<std::uint32_t> changes_{0};
  mutable std::atomic<bool> is_exposed_{false};
  bool is_deferred_ = false;  ///< made by make_deferred
  std::function<void(void*)>* deleter_ = nullptr;
  mutable IntrusivePtr<Storage> owner_;  ///< of an alias or one that was given bytes: whose bytes these are
  mutable std::atomic<StorageForms*> forms_{nullptr};
};

}  // namespace backflow
