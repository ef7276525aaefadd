#include <backflow/io/datasets/text_file.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include <backflow/io/byte_source_internal.h>

namespace backflow::io {
namespace {

std::vector<char> read_all(const std::string& path, std::uint64_t most_bytes) {
  constexpr std::size_t kStep = std::size_t{1} << 22;
  detail::ByteSource source(path);
  std::vector<char> bytes;
  while (true) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kStep);
    const std::size_t got = source.read(bytes.data() + before, kStep);
    bytes.resize(before + got);
    check(bytes.size() <= most_bytes, path, ": more than ", most_bytes, " bytes: need fewer");
    if (got < kStep) return bytes;
  }
}

}  // namespace

Tensor read_bytes(const std::string& path, std::uint64_t most_bytes) {
  const std::vector<char> bytes = read_all(path, most_bytes);
  check(!bytes.empty(), path, ": no bytes: need at least one");
  Tensor result = empty_tensor({static_cast<std::int64_t>(bytes.size())}, kUInt8);
  std::memcpy(result.mutable_data_ptr(), bytes.data(), bytes.size());
  return result;
}

std::int64_t count_bytes(const std::string& path, std::uint64_t most_bytes) {
  detail::ByteSource source(path);
  std::vector<char> piece(std::size_t{1} << 16);
  std::uint64_t bytes = 0;
  for (std::size_t got = piece.size(); got == piece.size();) {
    got = source.read(piece.data(), piece.size());
    bytes += got;
    check(bytes <= most_bytes, path, ": more than ", most_bytes, " bytes: need fewer");
  }
  check(bytes > 0, path, ": no bytes: need at least one");
  return static_cast<std::int64_t>(bytes);
}

std::vector<std::string> read_lines(const std::string& path) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 20;
  const std::vector<char> bytes = read_all(path, kMost);
  std::istringstream in(std::string(bytes.begin(), bytes.end()));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace backflow::io
