#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace backflow::kernels {

/// Primitives of oneDNN, which take hundreds of microseconds to make, by what they are made for. Thread-safe; what was
/// handed out stays valid.
template <class Key, class Value>
class PrimitiveCache {
 public:
  /// What is kept for `key`, else the result of `make_it()`, which runs without a lock: of two threads that make the
  /// same, both get that of the first.
  template <class F>
  std::shared_ptr<const Value> get(const Key& key, const F& make_it) {
    {
      const std::scoped_lock lock(mutex_);
      if (const auto found = kept_.find(key); found != kept_.end()) {
        return found->second;
      }
    }
    auto made = std::make_shared<const Value>(make_it());
    const std::scoped_lock lock(mutex_);
    if (kept_.size() >= kMaxKept) {
      kept_.clear();
    }
    return kept_.try_emplace(key, std::move(made)).first->second;
  }

 private:
  static constexpr std::size_t kMaxKept = 4096;  // a program with more shapes than that makes them anew

  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const Value>> kept_;
};

}  // namespace backflow::kernels
