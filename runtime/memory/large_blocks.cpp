#include <backflow/runtime/memory/large_blocks.h>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <new>

namespace backflow::detail {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kPage = 4096;
// Kept beyond the peak of what was in use. With less, blocks of other sizes than those that were just freed have to
// take pages from elsewhere now and then.
constexpr std::size_t kSlack = kHugePage / 2;
constexpr std::size_t kLeastChunk = std::size_t{32} << 20;
constexpr std::size_t kMostChunk = std::size_t{1} << 30;

constexpr std::size_t round_up(std::size_t bytes, std::size_t step) { return (bytes + step - 1) / step * step; }

std::byte* huge_page_from(std::byte* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  return data + (round_up(address, kHugePage) - address);
}

std::byte* huge_page_until(std::byte* data) { return data - reinterpret_cast<std::uintptr_t>(data) % kHugePage; }

void unmap(std::byte* begin, std::byte* end) {
  if (begin < end) {
    munmap(begin, static_cast<std::size_t>(end - begin));
  }
}

/// Address space on huge pages, none of them touched yet; `bytes` is a multiple of them. Null where there is none left.
std::byte* map(std::size_t bytes) {
  void* mapped = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    return nullptr;
  }
  auto* const begin = static_cast<std::byte*>(mapped);
  std::byte* const data = huge_page_from(begin);
  unmap(begin, data);
  unmap(data + bytes, begin + bytes + kHugePage);
#ifdef MADV_HUGEPAGE
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

/// Moves mapped pages to another mapped address, whose own are given up; returns how many bytes it could. Of the others
/// it makes fresh pages there.
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
  if (moved < bytes) {  // a move that fails may leave a hole
    mmap(to + moved, bytes - moved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  }
#endif
  return moved;
}

/// Blocks lie side by side in chunks of address space. A block that is freed becomes one with its free neighbours; a
/// request gets the front of the smallest free range that it fits into. So in steps that repeat, which free what they
/// took in another order and other sizes, no pages have to move: a system call costs more on more cores.
class Pool {
 public:
  void* allocate(std::size_t bytes) {
    const std::size_t size = round_up(bytes, kPage);
    const std::lock_guard lock(mutex_);
    std::byte* data = take(size);
    if (data == nullptr) {
      data = extend(size);
    }
    if (data != nullptr) {
      used_ += size;
      most_ = std::max(most_, used_);
    }
    return data;
  }

  void deallocate(void* data, std::size_t bytes) {
    const std::size_t size = round_up(bytes, kPage);
    const std::lock_guard lock(mutex_);
    used_ -= size;
    keep({static_cast<std::byte*>(data), size});
  }

  std::size_t clear() {
    const std::lock_guard lock(mutex_);
    most_ = used_;
    return release();
  }

 private:
  struct Range {
    std::byte* begin;
    std::size_t size;
    std::byte* end() const { return begin + size; }
  };

  /// Of the smallest ranges the one that was freed last: some of it may still be in a cache.
  std::byte* take(std::size_t size) {
    std::size_t best = count_;
    for (std::size_t i = count_; i-- > 0;) {
      if (ranges_[i].size >= size && (best == count_ || ranges_[i].size < ranges_[best].size)) {
        best = i;
      }
    }
    if (best == count_) {
      return nullptr;
    }
    std::byte* const data = ranges_[best].begin;
    replace(best, {data + size, ranges_[best].size - size});
    return data;
  }

  void keep(Range range) {
    for (std::size_t i = count_; i-- > 0;) {
      const Range other = ranges_[i];
      if (other.end() == range.begin || range.end() == other.begin) {
        range = {std::min(range.begin, other.begin), range.size + other.size};
        erase(i);
      }
    }
    if (count_ == ranges_.size()) {
      unmap(ranges_[0].begin, ranges_[0].end());
      erase(0);
    }
    ranges_[count_++] = range;
    kept_ += range.size;
  }

  /// A block that no free range has room for. Where that would be too much in all, it gets pages of free ranges.
  std::byte* extend(std::size_t size) {
    std::byte* data = fresh(size);
    if (data == nullptr && count_ > 0) {
      release();
      data = fresh(size);
    }
    const std::size_t limit = std::max(most_, used_ + size) + kSlack;
    if (const std::size_t total = used_ + kept_ + size; data != nullptr && total > limit) {
      recycle({data, size}, total - limit);
    }
    return data;
  }

  /// Untouched address space.
  std::byte* fresh(std::size_t size) {
    if (chunk_.size < size) {
      const std::size_t least = round_up(size, kHugePage);
      const std::size_t wanted = std::max(least, round_up(std::clamp(used_, kLeastChunk, kMostChunk), kHugePage));
      Range chunk{map(wanted), wanted};
      if (chunk.begin == nullptr) {
        chunk = {map(least), least};
      }
      if (chunk.begin == nullptr) {
        return nullptr;
      }
      unmap(chunk_.begin, chunk_.end());
      chunk_ = chunk;
    }
    std::byte* const data = chunk_.begin;
    chunk_ = {data + size, chunk_.size - size};
    return data;
  }

  /// Gives up `excess` bytes of free ranges, those first that were freed first. Their huge pages become those of the
  /// new block, as far as both go: fresh ones the system would have to clear.
  void recycle(Range block, std::size_t excess) {
    std::byte* to = huge_page_from(block.begin);
    std::byte* const to_end = huge_page_until(block.end());
    for (std::size_t i = 0; i < count_ && excess > 0 && to < to_end;) {
      const Range range = ranges_[i];
      std::byte* const from = huge_page_from(range.begin);
      const std::ptrdiff_t huge = huge_page_until(range.end()) - from;
      const std::size_t wanted = std::min({static_cast<std::size_t>(std::max<std::ptrdiff_t>(huge, 0)),
                                           static_cast<std::size_t>(to_end - to), round_up(excess, kHugePage)});
      const std::size_t moved = wanted > 0 ? move_pages(from, to, wanted) : 0;
      to += moved;
      excess -= std::min(excess, moved);
      if (moved == 0) {
        ++i;
        continue;
      }
      replace(i, {from + moved, static_cast<std::size_t>(range.end() - from) - moved});
      if (range.begin < from) {
        keep({range.begin, static_cast<std::size_t>(from - range.begin)});
      }
    }
    while (excess > 0 && count_ > 0) {
      const Range oldest = ranges_[0];
      const std::size_t size = std::min(oldest.size, round_up(excess, kPage));
      unmap(oldest.begin, oldest.begin + size);
      replace(0, {oldest.begin + size, oldest.size - size});
      excess -= std::min(excess, size);
    }
  }

  /// Makes range i smaller.
  void replace(std::size_t i, Range range) {
    if (range.size == 0) {
      erase(i);
      return;
    }
    kept_ -= ranges_[i].size - range.size;
    ranges_[i] = range;
  }

  void erase(std::size_t i) {
    kept_ -= ranges_[i].size;
    std::move(ranges_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
              ranges_.begin() + static_cast<std::ptrdiff_t>(count_), ranges_.begin() + static_cast<std::ptrdiff_t>(i));
    --count_;
  }

  std::size_t release() {
    const std::size_t bytes = kept_;
    while (count_ > 0) {
      unmap(ranges_[count_ - 1].begin, ranges_[count_ - 1].end());
      erase(count_ - 1);
    }
    return bytes;
  }

  std::mutex mutex_;
  std::array<Range, 512> ranges_;  // those that are free, in the order in which they were freed
  std::size_t count_ = 0;
  Range chunk_{nullptr, 0};  // address space that was never used
  std::size_t used_ = 0;     // bytes
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
