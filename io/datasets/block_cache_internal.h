#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace backflow::io::detail {

/// The blocks of a file that were used last. Thread-safe. A block that somebody still holds lives on when it is
/// dropped.
class BlockCache {
 public:
  using Block = std::shared_ptr<const std::vector<std::byte>>;

  explicit BlockCache(std::size_t most) : most_(most) {}

  /// The block of this number; null when it is not here.
  Block find(std::int64_t number) {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(number);
    if (found == places_.end()) return nullptr;
    blocks_.splice(blocks_.begin(), blocks_, found->second);
    return found->second->second;
  }

  void add(std::int64_t number, Block block) {
    const std::lock_guard lock(mutex_);
    if (places_.contains(number)) return;
    if (blocks_.size() >= most_) {
      places_.erase(blocks_.back().first);
      blocks_.pop_back();
    }
    blocks_.emplace_front(number, std::move(block));
    places_[number] = blocks_.begin();
  }

 private:
  using Entry = std::pair<std::int64_t, Block>;

  std::size_t most_;
  std::mutex mutex_;
  std::list<Entry> blocks_;  // used last first
  std::unordered_map<std::int64_t, std::list<Entry>::iterator> places_;
};

}  // namespace backflow::io::detail
