#include <backflow/runtime/large_blocks.h>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <mutex>
#include <new>

namespace backflow::detail {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

constexpr std::size_t round_up(std::size_t bytes, std::size_t step) { return (bytes + step - 1) / step * step; }

/// What is reserved for a block: sizes come in sixteen steps from one power of two to the next, so that a block can be
/// used again for one of slightly different size. Pages that are never touched take no memory.
std::size_t capacity_of(std::size_t bytes) { return round_up(bytes, std::bit_floor(bytes) / 16); }

void* map(std::size_t bytes, std::size_t capacity) {
  void* mapped = mmap(nullptr, capacity + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    return nullptr;
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(mapped);
  const std::uintptr_t aligned = round_up(begin, kHugePage);
  if (aligned > begin) {
    munmap(mapped, aligned - begin);
  }
  auto* const data = reinterpret_cast<std::byte*>(aligned);
  if (aligned < begin + kHugePage) {
    munmap(data + capacity, begin + kHugePage - aligned);
  }
#ifdef MADV_HUGEPAGE
  // Not the end: a huge page that is mostly unused would be all resident.
  madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return data;
}

class Pool {
 public:
  void* allocate(std::size_t bytes) {
    const std::size_t capacity = capacity_of(bytes);
    const std::lock_guard lock(mutex_);
    void* data = take(capacity);
    const std::size_t limit = std::max(most_, used_ + capacity);
    if (data == nullptr && used_ + kept_ + capacity > limit) {
      if (void* larger = take_larger(capacity)) {
        return larger;
      }
    }
    if (data == nullptr) {
      while (count_ > 0 && used_ + kept_ + capacity > limit) {
        unmap_oldest();
      }
      data = map(bytes, capacity);
      if (data == nullptr && count_ > 0) {
        release();
        data = map(bytes, capacity);
      }
    }
    if (data != nullptr) {
      used_ += capacity;
      most_ = std::max(most_, used_);
    }
    return data;
  }

  void deallocate(void* data, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t capacity = forget_larger(data, capacity_of(bytes));
    if (count_ == blocks_.size()) {
      unmap_oldest();
    }
    blocks_[count_++] = {data, capacity};
    kept_ += capacity;
    used_ -= capacity;
  }

  std::size_t clear() {
    const std::lock_guard lock(mutex_);
    most_ = used_;
    return release();
  }

 private:
  struct Block {
    void* data;
    std::size_t capacity;
  };

  /// A kept block of this capacity, the last that was freed: some of it may still be in a cache.
  void* take(std::size_t capacity) {
    for (std::size_t i = count_; i-- > 0;) {
      if (blocks_[i].capacity == capacity) {
        void* data = blocks_[i].data;
        erase(i);
        return data;
      }
    }
    return nullptr;
  }
  /// The smallest kept block of up to twice this capacity, where a new one would cost another its place: the pages that
  /// are not needed are there already, fresh ones would have to be cleared.
  void* take_larger(std::size_t capacity) {
    std::size_t best = count_;
    for (std::size_t i = count_; i-- > 0;) {
      const std::size_t own = blocks_[i].capacity;
      if (own > capacity && own <= 2 * capacity && (best == count_ || own < blocks_[best].capacity)) {
        best = i;
      }
    }
    if (best == count_ || larger_count_ == larger_.size()) {
      return nullptr;
    }
    const Block block = blocks_[best];
    erase(best);
    larger_[larger_count_++] = block;
    used_ += block.capacity;
    most_ = std::max(most_, used_);
    return block.data;
  }
  /// What is reserved for a block in use: `usual` unless it was taken for a smaller one.
  std::size_t forget_larger(void* data, std::size_t usual) {
    for (std::size_t i = 0; i < larger_count_; ++i) {
      if (larger_[i].data == data) {
        usual = larger_[i].capacity;
        larger_[i] = larger_[--larger_count_];
        break;
      }
    }
    return usual;
  }
  void erase(std::size_t i) {
    kept_ -= blocks_[i].capacity;
    std::move(blocks_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
              blocks_.begin() + static_cast<std::ptrdiff_t>(count_), blocks_.begin() + static_cast<std::ptrdiff_t>(i));
    --count_;
  }
  void unmap_oldest() {
    munmap(blocks_[0].data, blocks_[0].capacity);
    erase(0);
  }
  std::size_t release() {
    const std::size_t bytes = kept_;
    while (count_ > 0) {
      unmap_oldest();
    }
    return bytes;
  }

  std::mutex mutex_;
  std::array<Block, 512> blocks_;  // those that are kept, in the order in which they were freed
  std::size_t count_ = 0;
  std::array<Block, 256> larger_;  // those in use that are larger than was asked for
  std::size_t larger_count_ = 0;
  std::size_t used_ = 0;  // bytes
  std::size_t kept_ = 0;
  std::size_t most_ = 0;  // that `used_` has been
};

Pool& pool() {
  // Never destroyed: static tensors may outlive static objects.
  alignas(Pool) static std::byte memory[sizeof(Pool)];
  static auto* pool = new (memory) Pool;
  return *pool;
}

}  // namespace

void* allocate_large(std::size_t bytes) noexcept { return pool().allocate(bytes); }
void deallocate_large(void* data, std::size_t bytes) noexcept { pool().deallocate(data, bytes); }
std::size_t release_large() noexcept { return pool().clear(); }

}  // namespace backflow::detail
