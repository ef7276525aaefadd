#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// The numbers of the zip format, as PKWARE's APPNOTE 6.3.3 has them. All are little-endian.
namespace backflow::io::detail::zip {

inline constexpr std::uint32_t kLocalHeader = 0x04034b50;
inline constexpr std::uint32_t kDirectoryHeader = 0x02014b50;
inline constexpr std::uint32_t kEnd = 0x06054b50;
inline constexpr std::uint32_t kEnd64 = 0x06064b50;
inline constexpr std::uint32_t kEnd64Locator = 0x07064b50;

inline constexpr std::size_t kLocalHeaderBytes = 30;
inline constexpr std::size_t kDirectoryHeaderBytes = 46;
inline constexpr std::size_t kEndBytes = 22;
inline constexpr std::size_t kEnd64Bytes = 56;
inline constexpr std::size_t kEnd64LocatorBytes = 20;

inline constexpr std::uint16_t kStored = 0;
inline constexpr std::uint16_t kDeflate = 8;
inline constexpr std::uint16_t kZip64Extra = 1;
/// A field of this value has its true value in the zip64 extra field, or in the zip64 end record.
inline constexpr std::uint32_t kSeeZip64 = 0xffffffff;
inline constexpr std::uint16_t kSeeZip64Short = 0xffff;

/// The number of `bytes` bytes at `at`, which must be inside of the text.
inline std::uint64_t number_at(std::string_view text, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{static_cast<unsigned char>(text[at + i])} << 8 * i;
  return value;
}

/// Appends a number of `bytes` bytes.
inline void append(std::string& text, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
}

}  // namespace backflow::io::detail::zip
