#include <algorithm>
#include <array>
#include <cstdio>

#include <backflow/exchange/crc32.h>
#include <backflow/io/dumps/dump_chunks_internal.h>
#include <backflow/io/dumps/dump_internal.h>

namespace backflow::io::detail {
namespace {

constexpr std::size_t kUserBlockBytes = 512;

// The labels of the user block's three lines, and where they start.
constexpr std::array<std::pair<std::size_t, std::string_view>, 3> kLabels{
    {{0, "BACKFLOW-DUMP 1\n"}, {16, "bytes "}, {43, "crc32 "}}};

// The text of the user block of a file of `file_bytes` bytes, user block included, and the CRC-32 of those behind it.
std::string user_block(std::uint64_t file_bytes, std::uint32_t crc) {
  char text[kUserBlockBytes];
  const int length = std::snprintf(text, sizeof text, "BACKFLOW-DUMP 1\nbytes %020llu\ncrc32 %08x\n",
                                   static_cast<unsigned long long>(file_bytes), crc);
  std::string block(text, static_cast<std::size_t>(length));
  block.resize(kUserBlockBytes, '\0');
  return block;
}

}  // namespace

Digest verify_digest(const InputFile& file) {
  const std::string block = file.text_at(0, kUserBlockBytes);
  // One label is enough to know a block of ours: a damaged one must not pass for the user block of another program.
  const bool ours = std::any_of(kLabels.begin(), kLabels.end(), [&](const auto& label) {
    return block.size() >= label.first && std::string_view(block).substr(label.first).starts_with(label.second);
  });
  if (!ours) return Digest::Absent;
  std::vector<std::byte> buffer(1 << 20);
  std::uint32_t crc = 0;
  for (std::uint64_t at = block.size(); at < file.size();) {
    const std::size_t bytes = std::min<std::uint64_t>(buffer.size(), file.size() - at);
    file.read_at(at, buffer.data(), bytes);
    crc = crc32({buffer.data(), bytes}, crc);
    at += bytes;
  }
  if (block != user_block(file.size(), crc)) fail_damaged(file.path(), file.size());
  return Digest::Verified;
}

}  // namespace backflow::io::detail
