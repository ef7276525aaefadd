#pragma once

#include <cstddef>
#include <cstdint>

namespace backflow {

/// Bytes of tensor storage, process-wide. A thread adds its changes to the shared counts in steps of up to 64 KiB, so
/// that small tensors cost no contended atomic. So figures are exact to 64 KiB a thread.
struct MemoryStats {
  std::int64_t current_bytes = 0;  ///< held now
  std::int64_t peak_bytes = 0;     ///< the most that was held since the start or the last reset_peak_memory()
};

MemoryStats memory_stats();
/// current_bytes without the changes that threads, this one included, have not added yet: a single load.
std::int64_t live_bytes();
/// Sets the peak to what is held now.
void reset_peak_memory();

/// Returns the kept memory of freed tensors of 2 MiB or more to the system: the number of bytes. Without this call the
/// process keeps at most its peak.
std::size_t release_kept_memory();

/// Memory for tensors: 64-byte aligned, from oneTBB's scalable allocator or for large ones from large_blocks.h, counted
/// in memory_stats(). Throws Error when there is none left. `deallocate` takes the same number of bytes.
void* allocate(std::size_t bytes);
void deallocate(void* data, std::size_t bytes) noexcept;

/// Memory for the small objects of the tape (nodes, tensor handles): from the same pools, not counted.
void* allocate_object(std::size_t bytes);
void deallocate_object(void* object) noexcept;

}  // namespace backflow
