// Large blocks of memory: kept when they are freed, up to what was once in use.
#include <cstdint>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include <backflow/runtime/memory/large_blocks.h>
#include <backflow/runtime/memory/memory.h>

#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::detail;

namespace {
constexpr std::size_t kMiB = std::size_t{1} << 20;
}

TEST_CASE("large blocks: a block that was freed is used again") {
  release_large();
  void* first = allocate_large(64 * kMiB + 64);
  REQUIRE(first != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(first) % 4096 == 0);
  std::memset(first, 1, 64 * kMiB + 64);
  void* second = allocate_large(64 * kMiB + 64);
  deallocate_large(first, 64 * kMiB + 64);
  void* again = allocate_large(64 * kMiB + 4096);
  CHECK(again == first);
  deallocate_large(second, 64 * kMiB + 64);
  deallocate_large(again, 64 * kMiB + 4096);
  CHECK(release_large() >= 128 * kMiB);
  CHECK(release_large() == 0);
}

TEST_CASE("large blocks: neighbours that are free serve larger and smaller requests") {
  release_large();
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) {
    blocks.push_back(allocate_large(8 * kMiB));
  }
  deallocate_large(blocks[1], 8 * kMiB);
  deallocate_large(blocks[2], 8 * kMiB);
  void* larger = allocate_large(12 * kMiB);
  void* smaller = allocate_large(4 * kMiB);
  CHECK(larger == blocks[1]);
  CHECK(smaller == static_cast<char*>(larger) + 12 * kMiB);
  for (auto [block, size] :
       {std::pair(blocks[0], 8), std::pair(larger, 12), std::pair(smaller, 4), std::pair(blocks[3], 8)}) {
    deallocate_large(block, static_cast<std::size_t>(size) * kMiB);
  }
  CHECK(release_large() == 32 * kMiB);
}

TEST_CASE("large blocks: what is kept takes little more than what was in use") {
  release_large();
  std::vector<char*> blocks;
  for (int i = 0; i < 8; ++i) {
    blocks.push_back(static_cast<char*>(allocate_large(8 * kMiB)));
    std::memset(blocks.back(), i, 8 * kMiB);
  }
  for (std::size_t i = 0; i < 8; i += 2) {
    deallocate_large(blocks[i], 8 * kMiB);
  }
  // 32 MiB are free, but no 24 side by side: pages of free blocks have to move.
  auto* other = static_cast<char*>(allocate_large(24 * kMiB));
  std::memset(other, 9, 24 * kMiB);
  for (std::size_t i = 1; i < 8; i += 2) {
    CHECK(blocks[i][0] == static_cast<char>(i));
    CHECK(blocks[i][8 * kMiB - 1] == static_cast<char>(i));
    deallocate_large(blocks[i], 8 * kMiB);
  }
  deallocate_large(other, 24 * kMiB);
  const std::size_t kept = release_large();
  CHECK(kept >= 56 * kMiB);
  CHECK(kept <= 70 * kMiB);
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
