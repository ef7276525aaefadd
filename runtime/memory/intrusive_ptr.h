#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace backflow {

/// Base of objects with an intrusive reference count. The last owner calls `destroy()`.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void retain() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }

  /// True when the caller was the last owner and has to destroy the object. A sole owner needs no atomic
  /// read-modify-write, since no other thread has a handle to copy.
  bool release() const noexcept {
    if (count_.load(std::memory_order_acquire) == 1) {
      return true;
    }
    return release_shared();
  }

  /// The same for objects that are also reached through weak references, where a sole owner may gain company.
  bool release_shared() const noexcept { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

  /// Adds an owner unless the object is already being destroyed. This is how a weak reference becomes an owning one.
  bool try_retain() const noexcept {
    std::uint32_t n = count_.load(std::memory_order_relaxed);
    while (n != 0 && !count_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) {
    }
    return n != 0;
  }

  std::uint32_t use_count() const noexcept { return count_.load(std::memory_order_acquire); }

 protected:
  ~RefCounted() = default;

 private:
  mutable std::atomic<std::uint32_t> count_{0};
};

/// Owning handle of a RefCounted T, which has `void destroy()`.
template <class T>
class IntrusivePtr {
 public:
  IntrusivePtr() = default;
  IntrusivePtr(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)
  explicit IntrusivePtr(T* p) : p_(p) {
    if (p_ != nullptr) {
      p_->retain();
    }
  }
  IntrusivePtr(const IntrusivePtr& other) : IntrusivePtr(other.p_) {}
  IntrusivePtr(IntrusivePtr&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
  /// The handle of a derived class.
  template <class U>
  requires std::convertible_to<U*, T*> IntrusivePtr(IntrusivePtr<U> other)
  noexcept  // NOLINT(google-explicit-constructor)
      : p_(std::exchange(other.p_, nullptr)) {}
  IntrusivePtr& operator=(const IntrusivePtr& other) {
    if (this != &other) {
      IntrusivePtr(other).swap(*this);
    }
    return *this;
  }
  IntrusivePtr& operator=(IntrusivePtr&& other) noexcept {
    IntrusivePtr(std::move(other)).swap(*this);
    return *this;
  }
  ~IntrusivePtr() {
    if (p_ != nullptr && p_->release()) {
      p_->destroy();
    }
  }

  /// A handle that takes over a reference which the caller already holds.
  static IntrusivePtr adopt(T* p) {
    IntrusivePtr out;
    out.p_ = p;
    return out;
  }

  void swap(IntrusivePtr& other) noexcept { std::swap(p_, other.p_); }
  void reset() { IntrusivePtr().swap(*this); }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  friend bool operator==(const IntrusivePtr& a, const IntrusivePtr& b) { return a.p_ == b.p_; }
  friend bool operator==(const IntrusivePtr& a, std::nullptr_t) { return a.p_ == nullptr; }

 private:
  template <class U>
  friend class IntrusivePtr;

  T* p_ = nullptr;
};

}  // namespace backflow
