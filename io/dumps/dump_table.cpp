#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstring>

#include <backflow/exchange/crc32.h>
#include <backflow/io/dumps/dump_chunks_internal.h>
#include <backflow/io/dumps/dump_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io::detail {
namespace {

constexpr std::string_view kMagic = "BACKFLOW-DUMP ";
constexpr std::size_t kNumber = 6;   // where a line has its number
constexpr std::size_t kDigits = 20;  // of a number, but for the CRC-32's 8
constexpr std::size_t kFile = 16;    // where the lines start
constexpr std::size_t kBlock = 43;
constexpr std::size_t kChunk = 70;
constexpr std::size_t kCrc = 97;
constexpr std::size_t kTable = 128;  // where the table starts
constexpr std::array<std::pair<std::size_t, std::string_view>, 4> kLabels{
    {{kFile, "file  "}, {kBlock, "block "}, {kChunk, "chunk "}, {kCrc, "crc32 "}}};

constexpr std::uint64_t kLeastBlock = 512;  // HDF5 looks for its part of the file at 0, 512, 1024, 2048 ...
constexpr std::uint64_t kLeastChunk = 64 << 10;
constexpr std::uint64_t kMostChunk = 64 << 20;

bool has(std::string_view head, std::size_t at, std::string_view label) {
  return head.size() >= at && head.substr(at, label.size()) == label;
}

// 0 without a first line of ours.
int version_of(std::string_view head) {
  int version = 0;
  if (!head.starts_with(kMagic)) return 0;
  const char* const end = head.data() + std::min<std::size_t>(head.size(), kFile + kNumber);
  const auto [rest, error] = std::from_chars(head.data() + kMagic.size(), end, version);
  return error == std::errc() && rest < end && *rest == '\n' ? version : 0;
}

// 0 for what is no number.
std::uint64_t number_at(std::string_view head, std::size_t line) {
  const std::string_view digits = head.substr(line + kNumber, kDigits);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + kDigits ? number : 0;
}

std::string hexadecimal(std::uint32_t crc) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", crc);
  return text;
}

// Of the block, with zeros for the digits of its own CRC-32.
std::string block_crc(std::string block) {
  std::fill_n(block.begin() + kCrc + kNumber, 8, '0');
  return hexadecimal(crc32(std::as_bytes(std::span(block))));
}

std::uint64_t chunks_of(std::uint64_t bytes, std::uint64_t chunk_bytes) {
  return (bytes + chunk_bytes - 1) / chunk_bytes;
}

bool is_possible(const ChunkTable& table, std::uint64_t file_bytes) {
  const bool fits = table.file_bytes == file_bytes && std::has_single_bit(table.block_bytes) &&
                    table.block_bytes >= kLeastBlock && table.block_bytes < file_bytes &&
                    std::has_single_bit(table.chunk_bytes) && table.chunk_bytes >= kLeastChunk &&
                    table.chunk_bytes <= kMostChunk;
  return fits && chunks_of(table.content_bytes(), table.chunk_bytes) <= (table.block_bytes - kTable) / 4;
}

}  // namespace

void fail_damaged(const std::string& path, std::uint64_t file_bytes) {
  fail(path, ": damaged, or changed by another program: its ", file_bytes,
       " bytes do not match the digest at its start: need an intact copy");
}

std::string user_block(const ChunkTable& table) {
  char lines[kTable];
  const int length = std::snprintf(
      lines, sizeof lines, "BACKFLOW-DUMP 3\nfile  %020llu\nblock %020llu\nchunk %020llu\ncrc32 00000000\n",
      static_cast<unsigned long long>(table.file_bytes), static_cast<unsigned long long>(table.block_bytes),
      static_cast<unsigned long long>(table.chunk_bytes));
  std::string block(lines, static_cast<std::size_t>(length));
  block.resize(table.block_bytes, '\0');
  std::memcpy(block.data() + kTable, table.crcs.data(), 4 * table.crcs.size());
  block.replace(kCrc + kNumber, 8, block_crc(block));
  return block;
}

std::uint64_t block_bytes_for(std::uint64_t content_bytes, std::uint64_t chunk_bytes) {
  // Behind a block of whole pages, data on pages stay on pages.
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t least = content_bytes > chunk_bytes + 16 * kPage ? kPage : kLeastBlock;
  return std::bit_ceil(std::max<std::uint64_t>(least, kTable + 4 * chunks_of(content_bytes, chunk_bytes)));
}

std::optional<ChunkTable> read_chunk_table(const InputFile& file) {
  const std::string head = file.text_at(0, kTable);
  if (has(head, kFile, "bytes ")) return {};  // of formats 1 and 2
  const int version = version_of(head);
  // One label is enough to know a block of ours: a damaged one must not pass for the user block of another program.
  const auto labels =
      std::count_if(kLabels.begin(), kLabels.end(), [&](const auto& x) { return has(head, x.first, x.second); });
  const auto fail_newer = [&] {
    fail(file.path(), ": format version ", version, ": need at most ", kDumpFormat,
         "; a newer Backflow wrote this file");
  };
  if (labels == 0 && version > kDumpFormat) fail_newer();
  if (labels == 0 && version != kDumpFormat) return {};
  if (head.size() < kTable) fail_damaged(file.path(), file.size());
  ChunkTable table{number_at(head, kFile), number_at(head, kBlock), number_at(head, kChunk), {}};
  if (!is_possible(table, file.size())) fail_damaged(file.path(), file.size());
  const std::string block = file.text_at(0, table.block_bytes);
  if (block.substr(kCrc + kNumber, 8) != block_crc(block)) fail_damaged(file.path(), file.size());
  if (version > kDumpFormat) fail_newer();
  table.crcs.resize(chunks_of(table.content_bytes(), table.chunk_bytes));
  std::memcpy(table.crcs.data(), block.data() + kTable, 4 * table.crcs.size());
  // What is not the table is as we write it.
  if (user_block(table) != block) fail_damaged(file.path(), file.size());
  return table;
}

}  // namespace backflow::io::detail
