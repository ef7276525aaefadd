#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace backflow::io::detail {

/// CRC-32 as zlib's, of `bytes` behind those that `start` is the CRC-32 of.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t start = 0);

/// The CRC-32 of two runs of bytes, the second behind the first and `second_bytes` long.
std::uint32_t joined_crc32(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes);

}  // namespace backflow::io::detail
