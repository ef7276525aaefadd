#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include <backflow/runtime/intrusive_ptr.h>

namespace backflow {

/// The bytes that a tensor and its views share. Header and bytes are one allocation, unless the bytes are the user's
/// (`from_blob`). `version` counts the in-place changes, so that backward can tell that a tensor it saved has changed.
class Storage : public RefCounted {
 public:
  /// Uninitialized storage of `bytes` bytes, 64-byte aligned.
  static IntrusivePtr<Storage> make(std::size_t bytes);
  /// Storage over the caller's memory; `deleter(data)` runs when the last tensor over it is gone.
  static IntrusivePtr<Storage> wrap(void* data, std::size_t bytes, std::function<void(void*)> deleter);
  /// The same bytes with a version counter of their own, at `version`: what changes through the one does not count as a
  /// change of the other.
  static IntrusivePtr<Storage> alias(const IntrusivePtr<Storage>& storage, std::uint32_t version);

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  /// True when a change of the one can be seen through the other.
  bool shares_bytes(const Storage& other) const { return bytes_owner() == other.bytes_owner(); }

  std::uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }
  /// Counts the in-place changes that were recorded: after one, the history of an earlier view is out of date.
  std::uint32_t recorded_changes() const { return recorded_changes_.load(std::memory_order_relaxed); }
  void bump_recorded_changes() { recorded_changes_.fetch_add(1, std::memory_order_relaxed); }

  /// Called by IntrusivePtr.
  void destroy() noexcept;

 private:
  Storage(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  ~Storage() = default;

  const Storage* bytes_owner() const { return owner_ ? owner_.get() : this; }

  std::byte* data_;
  std::size_t bytes_;
  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::uint32_t> recorded_changes_{0};
  std::function<void(void*)>* deleter_ = nullptr;
  IntrusivePtr<Storage> owner_;  ///< of an alias: whose bytes these are
};

}  // namespace backflow
