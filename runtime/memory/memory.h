#pragma once

#include <cstddef>
#include <cstdint>

namespace backflow {

/// Bytes of tensor storage, process-wide. Each thread keeps up to 64 KiB of changes to itself before it adds them to
/// the shared counts, so that small tensors cost no contended atomic: figures are exact to 64 KiB a thread.
struct MemoryStats {
  std::int64_t current_bytes = 0;  ///< held now
  std::int64_t peak_bytes = 0;     ///< the most that was held since the start or the last reset_peak_memory()
};

MemoryStats memory_stats();
/// current_bytes without the changes that threads still keep to themselves, this one's included: a single load.
std::int64_t live_bytes();
/// Sets the peak to what is held now.
void reset_peak_memory();

/// Gives the system back what the process keeps of freed tensors of 2 MiB or more, and returns how many bytes that
/// were. Without it the process keeps at most as much as it needed at once.
std::size_t release_kept_memory();

/// Memory for tensors: 64-byte aligned, from oneTBB's scalable allocator or for large ones from large_blocks.h, counted
/// in memory_stats(). Throws Error when there is none left. `deallocate` takes the same number of bytes.
void* allocate(std::size_t bytes);
void deallocate(void* data, std::size_t bytes) noexcept;

/// Memory for the small objects of the tape (nodes, tensor handles): from the same pools, not counted.
void* allocate_object(std::size_t bytes);
void deallocate_object(void* object) noexcept;

}  // namespace backflow
