#pragma once

#include <cstddef>

namespace backflow::detail {

/// Blocks of at least so many bytes are worth pages of their own.
inline constexpr std::size_t kLargeBytes = std::size_t{2} << 20;

/// Blocks of kLargeBytes or more, straight from the operating system: aligned to 2 MiB, on huge pages where it has
/// them. Freed blocks are kept, because fresh pages cost more than most operators: the system clears them, 64 MiB in 9
/// to 25 ms. A kept block serves a request of about the same size, or a smaller one while that wastes no more than 8
/// MiB in all. For other requests its pages are moved to a new address (mremap), not to another NUMA node. So used and
/// kept blocks together never exceed the peak of used ones. Null when there is no memory left. Any thread may call
/// these.
void* allocate_large(std::size_t bytes) noexcept;
/// `bytes` as for allocate_large.
void deallocate_large(void* data, std::size_t bytes) noexcept;
/// Gives back what is kept; returns how many bytes that were.
std::size_t release_large() noexcept;

}  // namespace backflow::detail
