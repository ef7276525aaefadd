#pragma once

#include <cstddef>

namespace backflow::kernels {

/// The bytes of a result from which on it is written past the caches.
inline constexpr std::size_t kStreamBytes = std::size_t{32} << 20;

/// Copies bytes to memory past the caches, so that what was there need not be read first. Worth it for results that
/// would leave the caches anyway before they are read. Other threads may read them after finish_streams() here.
void stream_copy(const void* from, void* to, std::size_t bytes);
void finish_streams();

}  // namespace backflow::kernels
