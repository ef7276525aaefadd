#include <backflow/runtime/memory/large_blocks.h>

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
constexpr std::size_t kPage = 4096;
constexpr std::size_t kMostWasted = 4 * kHugePage;  // in blocks that are larger than was asked for

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
  auto* const data = static_cast<std::byte*>(mapped) + (aligned - begin);
  if (aligned < begin + kHugePage) {
    munmap(data + capacity, begin + kHugePage - aligned);
  }
#ifdef MADV_HUGEPAGE
  // Not the end: a huge page that is mostly unused would be all resident.
  madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return data;
}

/// Moves mapped pages to another mapped address, whose own are given up; returns how many bytes it could.
std::size_t move_pages(std::byte* from, std::byte* to, std::size_t bytes) {
  std::size_t moved = 0;
#ifdef MREMAP_FIXED
  const auto move = [&](std::size_t size) {
    const bool done = mremap(from + moved, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to + moved) == to + moved;
    moved += done ? size : 0;
    return done;
  };
  // All at once, or one by one where they came from different places.
  while (moved < bytes && (move(bytes - moved) || move(std::min(bytes - moved, kHugePage)))) {
  }
#endif
  return moved;
}

class Pool {
 public:
  void* allocate(std::size_t bytes) {
    const std::size_t capacity = capacity_of(bytes);
    const std::lock_guard lock(mutex_);
    void* data = take(capacity);
    if (data == nullptr && used_ + kept_ + capacity > most_) {
      if (void* larger = take_larger(capacity)) {
        return larger;
      }
    }
    if (data == nullptr) {
      data = map(bytes, capacity);
      if (data == nullptr && count_ > 0) {
        release();
        data = map(bytes, capacity);
      }
      if (data != nullptr) {
        make_room(static_cast<std::byte*>(data), bytes, capacity);
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
    blocks_[count_++] = {static_cast<std::byte*>(data), capacity, bytes / kHugePage * kHugePage};
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
    std::byte* data;
    std::size_t capacity;
    std::size_t huge;  // bytes at the front that are on huge pages
  };

  struct LargerBlock {
    const std::byte* data;
    std::size_t capacity;
    std::size_t wasted;
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
  /// The smallest kept block of up to twice this capacity, as long as little is wasted in all: nothing has to be moved
  /// for it.
  void* take_larger(std::size_t capacity) {
    std::size_t best = count_;
    for (std::size_t i = count_; i-- > 0;) {
      const std::size_t own = blocks_[i].capacity;
      if (own > capacity && own <= 2 * capacity && (best == count_ || own < blocks_[best].capacity)) {
        best = i;
      }
    }
    if (best == count_ || larger_count_ == larger_.size() ||
        wasted_ + blocks_[best].capacity - capacity > kMostWasted) {
      return nullptr;
    }
    const Block block = blocks_[best];
    erase(best);
    larger_[larger_count_++] = {block.data, block.capacity, block.capacity - capacity};
    wasted_ += block.capacity - capacity;
    used_ += block.capacity;
    most_ = std::max(most_, used_);
    return block.data;
  }
  /// What is reserved for a block in use: `usual` unless it was taken for a smaller one.
  std::size_t forget_larger(const void* data, std::size_t usual) {
    for (std::size_t i = 0; i < larger_count_; ++i) {
      if (larger_[i].data == data) {
        usual = larger_[i].capacity;
        wasted_ -= larger_[i].wasted;
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
  /// Gives up kept blocks, those that were freed first, until the new one has its place. Their pages become those of
  /// the new block, as far as both go: pages of its own the system would have to clear.
  void make_room(std::byte* data, std::size_t bytes, std::size_t capacity) {
    const std::size_t limit = std::max(most_, used_ + capacity);
    std::size_t huge_left = bytes / kHugePage * kHugePage;
    std::byte* huge = data;
    std::byte* tail = data + huge_left;
    std::size_t tail_left = round_up(bytes - huge_left, kPage);
    while (count_ > 0 && used_ + kept_ + capacity > limit) {
      Block& oldest = blocks_[0];
      const std::size_t wanted = std::min(huge_left, oldest.huge);
      const std::size_t moved = move_pages(oldest.data, huge, wanted);
      huge += moved;
      huge_left = moved == wanted ? huge_left - moved : 0;
      drop_front(oldest, moved);
      if (huge_left == 0 || oldest.huge == 0) {
        // Of the small pages behind the huge ones what fits, then of the last huge page.
        take_small(oldest, tail, tail_left, 0);
        take_small(oldest, tail, tail_left, kHugePage);
        const std::size_t total = used_ + kept_ + capacity;
        const std::size_t excess = std::min(oldest.huge, round_up(total > limit ? total - limit : 0, kHugePage));
        unmap(oldest.data, excess);
        drop_front(oldest, excess);
      }
      if (oldest.capacity == 0) {
        erase(0);
      }
    }
  }
  /// Moves small pages from the end of `block`, `split` bytes of whose huge pages may be made small for that, to `to`,
  /// where `wanted` bytes are missing. What is left of the small pages goes back to the system.
  void take_small(Block& block, std::byte*& to, std::size_t& wanted, std::size_t split) {
    split = wanted > 0 ? std::min(split, block.huge) : 0;
    const std::size_t huge = block.huge - split;
    const std::size_t size = block.capacity - huge;
    const std::size_t moving = std::min(wanted, size / kPage * kPage);
    const std::size_t moved = move_pages(block.data + huge, to, moving);
    to += moved;
    wanted -= moved;
    unmap(block.data + huge + moved, size - moved);
    block = {block.data, huge, huge};
    kept_ -= size;
  }
  void drop_front(Block& block, std::size_t bytes) {
    block = {block.data + bytes, block.capacity - bytes, block.huge - bytes};
    kept_ -= bytes;
  }
  static void unmap(std::byte* data, std::size_t bytes) {
    if (bytes > 0) {
      munmap(data, bytes);
    }
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
  std::array<LargerBlock, 64> larger_;  // those in use that are larger than was asked for
  std::size_t larger_count_ = 0;
  std::size_t wasted_ = 0;
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
