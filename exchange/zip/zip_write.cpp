#include <algorithm>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/crc32.h>
#include <backflow/exchange/zip/zip.h>
#include <backflow/exchange/zip/zip_format_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

using namespace detail::zip;

constexpr std::uint64_t kDate = 0x0021;  // 1980-01-01, the first that the format knows
constexpr std::uint64_t kVersion = 20;
constexpr std::uint64_t kVersion64 = 45;
constexpr std::uint64_t kUtf8Names = 1 << 11;
constexpr std::size_t kAlignment = 64;

bool is_large(std::uint64_t value) { return value >= kSeeZip64; }
std::uint64_t short_form(std::uint64_t value) { return std::min<std::uint64_t>(value, kSeeZip64); }

/// The extra field that holds sizes of zip64.
std::string zip64_extra(std::initializer_list<std::uint64_t> numbers) {
  std::string extra;
  if (numbers.size() == 0) return extra;
  append(extra, kZip64Extra, 2);
  append(extra, 8 * numbers.size(), 2);
  for (const std::uint64_t number : numbers) append(extra, number, 8);
  return extra;
}

/// What local and directory header have in common.
void append_common(std::string& header, const ZipEntry& entry, bool is_zip64, std::size_t extra_bytes) {
  append(header, is_zip64 ? kVersion64 : kVersion, 2);
  append(header, kUtf8Names, 2);
  append(header, kStored, 2);
  append(header, 0, 2);  // midnight
  append(header, kDate, 2);
  append(header, entry.crc, 4);
  append(header, short_form(entry.compressed_bytes), 4);
  append(header, short_form(entry.bytes), 4);
  append(header, entry.name.size(), 2);
  append(header, extra_bytes, 2);
}

std::string local_header(const ZipEntry& entry, std::uint64_t offset) {
  const bool is_zip64 = is_large(entry.bytes);
  std::string extra = is_zip64 ? zip64_extra({entry.bytes, entry.compressed_bytes}) : "";
  // A field of zeros under PyTorch's own number aligns the content.
  constexpr std::uint64_t kPaddingExtra = 0x4246;
  const std::uint64_t content = offset + kLocalHeaderBytes + entry.name.size() + extra.size() + 4;
  const std::size_t padding = (kAlignment - content % kAlignment) % kAlignment;
  append(extra, kPaddingExtra, 2);
  append(extra, padding, 2);
  extra.append(padding, '\0');
  std::string header;
  append(header, kLocalHeader, 4);
  append_common(header, entry, is_zip64, extra.size());
  return header + entry.name + extra;
}

std::string directory_header(const ZipEntry& entry, std::uint64_t offset) {
  const bool large = is_large(entry.bytes);
  const bool far = is_large(offset);
  const std::string extra = large && far ? zip64_extra({entry.bytes, entry.compressed_bytes, offset})
                            : large      ? zip64_extra({entry.bytes, entry.compressed_bytes})
                            : far        ? zip64_extra({offset})
                                         : "";
  std::string header;
  append(header, kDirectoryHeader, 4);
  append(header, large || far ? kVersion64 : kVersion, 2);  // of the writer
  append_common(header, entry, large || far, extra.size());
  append(header, 0, 2 + 2 + 2);  // no comment, first part, no attributes inside
  append(header, 0, 4);          // and none outside
  append(header, short_form(offset), 4);
  return header + entry.name + extra;
}

std::string end_records(std::uint64_t entries, std::uint64_t bytes, std::uint64_t offset) {
  std::string text;
  if (entries >= kSeeZip64Short || is_large(bytes) || is_large(offset)) {
    append(text, kEnd64, 4);
    append(text, kEnd64Bytes - 12, 8);
    append(text, kVersion64, 2);
    append(text, kVersion64, 2);
    append(text, 0, 4 + 4);
    append(text, entries, 8);
    append(text, entries, 8);
    append(text, bytes, 8);
    append(text, offset, 8);
    append(text, kEnd64Locator, 4);
    append(text, 0, 4);
    append(text, offset + bytes, 8);
    append(text, 1, 4);
  }
  append(text, kEnd, 4);
  append(text, 0, 2 + 2);
  append(text, std::min<std::uint64_t>(entries, kSeeZip64Short), 2);
  append(text, std::min<std::uint64_t>(entries, kSeeZip64Short), 2);
  append(text, short_form(bytes), 4);
  append(text, short_form(offset), 4);
  append(text, 0, 2);
  return text;
}

}  // namespace

ZipWriter::ZipWriter(AtomicFile& file, std::string path) : file_(file), path_(std::move(path)) {}

void ZipWriter::write(const std::string& bytes) {
  file_.write(bytes.data(), bytes.size());
  offset_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> content) { add(name, std::span(&content, 1)); }

void ZipWriter::add(const std::string& name, std::span<const std::span<const std::byte>> pieces) {
  constexpr std::size_t kLongestName = 0xffff - 256;  // the fields beside it need room too
  check(!name.empty() && name.size() <= kLongestName && name.find('\0') == std::string::npos, path_, ": name '",
        name.substr(0, 80), "' of ", name.size(), " bytes: need 1 to ", kLongestName, " without a NUL");
  check(names_.insert(name).second, path_, ": two entries '", name, "': need different names");
  ZipEntry entry;
  entry.name = name;
  for (const std::span<const std::byte> piece : pieces) {
    entry.crc = detail::crc32(piece, entry.crc);
    entry.bytes += piece.size();
  }
  entry.compressed_bytes = entry.bytes;
  headers_.push_back(offset_);
  write(local_header(entry, offset_));
  entry.offset = offset_;
  for (const std::span<const std::byte> piece : pieces) {
    file_.write(piece.data(), piece.size());
    offset_ += piece.size();
  }
  entries_.push_back(std::move(entry));
}

void ZipWriter::finish() {
  const std::uint64_t start = offset_;
  for (std::size_t i = 0; i < entries_.size(); ++i) write(directory_header(entries_[i], headers_[i]));
  write(end_records(entries_.size(), offset_ - start, start));
}

}  // namespace backflow::io
