#pragma once

#include <cstddef>

namespace backflow::detail {

/// Blocks of at least so many bytes are worth pages of their own.
inline constexpr std::size_t kLargeBytes = std::size_t{2} << 20;

/// Blocks of kLargeBytes or more, from chunks of address space that are on huge pages where the system has them;
/// aligned to 4096 bytes. Freed blocks are kept, because fresh pages cost more than most operators: the system clears
/// them, 64 MiB in 9 to 25 ms. Free neighbours become one, and requests of all sizes are cut from them. Where none is
/// long enough, pages of free blocks move to a new address (mremap), not to another NUMA node. So used and kept blocks
/// together exceed the peak of used ones by 1 MiB at most. Null when there is no memory left. Any thread may call
/// these.
void* allocate_large(std::size_t bytes) noexcept;
/// `bytes` as for allocate_large.
void deallocate_large(void* data, std::size_t bytes) noexcept;
/// Gives back what is kept; returns how many bytes that were.
std::size_t release_large() noexcept;

}  // namespace backflow::detail
