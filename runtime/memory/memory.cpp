#include <backflow/runtime/memory/memory.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include <oneapi/tbb/scalable_allocator.h>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/memory/large_blocks.h>

namespace backflow {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::int64_t kLocalBytes = 64 * 1024;

std::atomic<std::int64_t> current_bytes{0};
std::atomic<std::int64_t> peak_bytes{0};

void publish(std::int64_t change) {
  const std::int64_t now = current_bytes.fetch_add(change, std::memory_order_relaxed) + change;
  std::int64_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

struct LocalCount {
  std::int64_t bytes = 0;
  ~LocalCount() { publish(bytes); }
};

thread_local LocalCount local;

// AddressSanitizer sees overflows of what comes from malloc alone.
#ifdef __SANITIZE_ADDRESS__
void* aligned_bytes(std::size_t bytes) {
  return std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}
void free_aligned(void* data, std::size_t /*bytes*/) { std::free(data); }
void* object_bytes(std::size_t bytes) { return std::malloc(bytes); }
void free_object(void* object) { std::free(object); }
#else
void* aligned_bytes(std::size_t bytes) {
  return bytes < detail::kLargeBytes ? scalable_aligned_malloc(bytes, kAlignment) : detail::allocate_large(bytes);
}
void free_aligned(void* data, std::size_t bytes) {
  bytes < detail::kLargeBytes ? scalable_aligned_free(data) : detail::deallocate_large(data, bytes);
}
void* object_bytes(std::size_t bytes) { return scalable_malloc(bytes); }
void free_object(void* object) { scalable_free(object); }
#endif

void count(std::int64_t change) {
  local.bytes += change;
  if (local.bytes > kLocalBytes || local.bytes < -kLocalBytes) [[unlikely]] {
    publish(local.bytes);
    local.bytes = 0;
  }
}

}  // namespace

MemoryStats memory_stats() {
  publish(local.bytes);
  local.bytes = 0;
  return {current_bytes.load(std::memory_order_relaxed), peak_bytes.load(std::memory_order_relaxed)};
}

std::int64_t live_bytes() { return current_bytes.load(std::memory_order_relaxed); }

void reset_peak_memory() { peak_bytes.store(memory_stats().current_bytes, std::memory_order_relaxed); }

std::size_t release_kept_memory() { return detail::release_large(); }

void* allocate(std::size_t bytes) {
  void* data = aligned_bytes(bytes);
  check(data != nullptr, "memory: cannot allocate ", bytes, " bytes for a tensor: need a smaller batch or model");
  count(static_cast<std::int64_t>(bytes));
  return data;
}

void deallocate(void* data, std::size_t bytes) noexcept {
  count(-static_cast<std::int64_t>(bytes));
  free_aligned(data, bytes);
}

void* allocate_object(std::size_t bytes) {
  void* object = object_bytes(bytes);
  if (object == nullptr) {
    throw std::bad_alloc();
  }
  return object;
}

void deallocate_object(void* object) noexcept { free_object(object); }

}  // namespace backflow
