// Large blocks of memory: kept when they are freed, up to what was once in use.
#include <cstdint>
#include <cstring>
#include <exception>
#include <thread>
#include <vector>

#include <backflow/runtime/memory/large_blocks.h>
#include <backflow/runtime/memory/memory.h>

#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::detail;

namespace {
constexpr std::size_t kMiB = std::size_t{1} << 20;
}

TEST_CASE("large blocks: a block of about the same size is used again") {
  release_large();
  void* first = allocate_large(64 * kMiB + 64);
  REQUIRE(first != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(first) % (2 * kMiB) == 0);
  std::memset(first, 1, 64 * kMiB + 64);
  deallocate_large(first, 64 * kMiB + 64);
  void* again = allocate_large(64 * kMiB + 4096);
  CHECK(again == first);
  void* second = allocate_large(64 * kMiB + 64);
  CHECK(second != again);
  deallocate_large(again, 64 * kMiB + 4096);
  deallocate_large(second, 64 * kMiB + 64);
  CHECK(allocate_large(64 * kMiB + 64) == second);  // the one that was used last
  deallocate_large(second, 64 * kMiB + 64);
  CHECK(release_large() >= 128 * kMiB);
  CHECK(release_large() == 0);
}

TEST_CASE("large blocks: what is kept takes no more than what was in use") {
  release_large();
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) {
    blocks.push_back(allocate_large(8 * kMiB));
  }
  for (void* block : blocks) {
    deallocate_large(block, 8 * kMiB);
  }
  // 32 MiB are kept; 24 have to go for these, the oldest first.
  void* other = allocate_large(24 * kMiB);
  CHECK(allocate_large(8 * kMiB) == blocks.back());
  deallocate_large(blocks.back(), 8 * kMiB);
  deallocate_large(other, 24 * kMiB);
  CHECK(release_large() == 32 * kMiB);
}

TEST_CASE("large blocks: the counts of memory are those of the tensors") {
  release_kept_memory();
  const std::int64_t before = memory_stats().current_bytes;
  void* block = allocate(16 * kMiB);
  CHECK(memory_stats().current_bytes == before + static_cast<std::int64_t>(16 * kMiB));
  deallocate(block, 16 * kMiB);
  CHECK(memory_stats().current_bytes == before);
}

TEST_CASE("large blocks: several threads allocate at once") {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (std::size_t i = 0; i < 50; ++i) {
        const std::size_t bytes = (2 + (i + static_cast<std::size_t>(t)) % 5) * kMiB;
        auto* data = static_cast<char*>(allocate_large(bytes));
        std::memset(data, t, bytes);
        std::this_thread::yield();
        if (data[0] != t || data[bytes - 1] != t) {
          std::terminate();
        }
        deallocate_large(data, bytes);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  release_large();
}
