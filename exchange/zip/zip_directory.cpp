#include <algorithm>
#include <set>

#include <backflow/exchange/zip/zip_directory_internal.h>
#include <backflow/exchange/zip/zip_format_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io::detail {
namespace {

using namespace zip;

// What the file calls itself does not count; these are the limits of what we expand.
constexpr std::uint64_t kMostInflation = 1032;  // the limit of the deflate format
constexpr std::uint64_t kTrustedBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kTrustedRatio = 100;

/// The offset of the end record: it is followed by a comment that ends with the file.
std::uint64_t find_end(const InputFile& file) {
  constexpr std::uint64_t kMostComment = 0xffff;
  const std::uint64_t tail = std::min<std::uint64_t>(file.size(), kEndBytes + kMostComment);
  const std::string text = file.text_at(file.size() - tail, tail);
  for (std::size_t at = text.size() < kEndBytes ? 0 : text.size() - kEndBytes + 1; at-- > 0;) {
    if (number_at(text, at, 4) == kEnd && number_at(text, at + 20, 2) == text.size() - at - kEndBytes) {
      return file.size() - tail + at;
    }
  }
  fail(file.path(), ": no zip archive, or truncated: need one that ends with its directory");
}

/// The directory that the zip64 records before the end record tell of; false when there are none.
bool find_end64(const InputFile& file, std::uint64_t end, ZipDirectory& directory) {
  if (end < kEnd64LocatorBytes + kEnd64Bytes) return false;
  const std::string locator = file.text_at(end - kEnd64LocatorBytes, kEnd64LocatorBytes);
  if (number_at(locator, 0, 4) != kEnd64Locator) return false;
  const std::uint64_t at = number_at(locator, 8, 8);
  const bool inside = at <= end - kEnd64LocatorBytes - kEnd64Bytes;
  const std::string record = file.text_at(inside ? at : 0, kEnd64Bytes);
  check(inside && number_at(locator, 16, 4) <= 1 && number_at(record, 0, 4) == kEnd64 &&
            number_at(record, 16, 4) == 0 && number_at(record, 20, 4) == 0 &&
            number_at(record, 24, 8) == number_at(record, 32, 8),
        file.path(), ": offset ", end - kEnd64LocatorBytes,
        ": damaged zip64 records: need one archive in one file, intact");
  directory = {number_at(record, 32, 8), number_at(record, 40, 8), number_at(record, 48, 8)};
  return true;
}

/// Numbers of 64 bits that an extra field of zip64 holds, in their order.
class Zip64Numbers {
 public:
  explicit Zip64Numbers(std::string_view extra) {
    while (extra.size() >= 4) {
      const std::uint64_t bytes = number_at(extra, 2, 2);
      if (bytes > extra.size() - 4) return;
      if (number_at(extra, 0, 2) == kZip64Extra) {
        numbers_ = extra.substr(4, bytes);
        return;
      }
      extra.remove_prefix(4 + bytes);
    }
  }
  /// The next of them; false when there is none.
  bool take(std::uint64_t& value) {
    if (numbers_.size() < 8) return false;
    value = number_at(numbers_, 0, 8);
    numbers_.remove_prefix(8);
    return true;
  }

 private:
  std::string_view numbers_;
};

/// An entry with where it lies in the archive, local header included.
struct Extent {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::size_t entry = 0;
};

class DirectoryReader {
 public:
  explicit DirectoryReader(const InputFile& file) : file_(file), directory_(find_zip_directory(file)) {}

  std::vector<ZipEntry> read() {
    const std::string text = file_.text_at(directory_.offset, directory_.bytes);
    for (std::uint64_t i = 0; i < directory_.entries; ++i) read_entry(text);
    check(at_ == text.size(), file_.path(), ": offset ", directory_.offset + at_,
          ": bytes behind the directory's last entry: need an intact copy");
    check_extents();
    check_expansion();
    return std::move(entries_);
  }

 private:
  void read_entry(std::string_view text);
  void check_entry(const ZipEntry& entry, std::uint64_t flags, std::uint64_t method) const;
  void read_local_header(ZipEntry& entry, std::uint64_t start, std::uint64_t flags, std::uint64_t method);
  void check_extents();
  void check_expansion() const;

  const InputFile& file_;
  ZipDirectory directory_;
  std::size_t at_ = 0;
  std::vector<ZipEntry> entries_;
  std::vector<Extent> extents_;
  std::set<std::string> names_;
};

void DirectoryReader::read_entry(std::string_view text) {
  const std::string where = to_text(file_.path(), ": offset ", directory_.offset + at_);
  const bool room = text.size() - at_ >= kDirectoryHeaderBytes;
  check(room && number_at(text, at_, 4) == kDirectoryHeader, where, ": damaged directory: need an intact copy");
  const std::string_view header = text.substr(at_, kDirectoryHeaderBytes);
  const std::uint64_t name_bytes = number_at(header, 28, 2);
  const std::uint64_t extra_bytes = number_at(header, 30, 2);
  const std::uint64_t comment_bytes = number_at(header, 32, 2);
  at_ += kDirectoryHeaderBytes;
  check(name_bytes + extra_bytes + comment_bytes <= text.size() - at_, where,
        ": an entry reaches behind the directory: need an intact copy");
  ZipEntry entry;
  entry.name = text.substr(at_, name_bytes);
  Zip64Numbers numbers(text.substr(at_ + name_bytes, extra_bytes));
  at_ += name_bytes + extra_bytes + comment_bytes;
  entry.crc = static_cast<std::uint32_t>(number_at(header, 16, 4));
  entry.compressed_bytes = number_at(header, 20, 4);
  entry.bytes = number_at(header, 24, 4);
  std::uint64_t start = number_at(header, 42, 4);
  for (std::uint64_t* value : {&entry.bytes, &entry.compressed_bytes, &start}) {
    check(*value != kSeeZip64 || numbers.take(*value), where, ": '", entry.name,
          "' lacks its zip64 sizes: need an intact copy");
  }
  const std::uint64_t flags = number_at(header, 8, 2);
  const std::uint64_t method = number_at(header, 10, 2);
  check(number_at(header, 34, 2) == 0, where, ": '", entry.name,
        "' lies in another part: need one archive in one file");
  check_entry(entry, flags, method);
  check(names_.insert(entry.name).second, file_.path(), ": two entries '", entry.name, "': need different names");
  entry.method = method == kDeflate ? ZipMethod::Deflate : ZipMethod::Stored;
  read_local_header(entry, start, flags, method);
  entries_.push_back(std::move(entry));
}

void DirectoryReader::check_entry(const ZipEntry& entry, std::uint64_t flags, std::uint64_t method) const {
  constexpr std::uint64_t kEncrypted = 1 | 1 << 6 | 1 << 13;
  const std::string& path = file_.path();
  check(!entry.name.empty() && entry.name.find('\0') == std::string::npos, path,
        ": an entry whose name is empty or has a NUL: need names");
  check((flags & kEncrypted) == 0, path, ": '", entry.name, "' is encrypted: need an archive without a password");
  check(method == kStored || method == kDeflate, path, ": '", entry.name, "' is compressed by method ", method,
        ": need 0 (stored) or 8 (deflate)");
  const bool fits = method == kStored ? entry.bytes == entry.compressed_bytes
                                      : entry.bytes / kMostInflation <= entry.compressed_bytes;
  check(fits, path, ": '", entry.name, "' is to have ", entry.bytes, " bytes from ", entry.compressed_bytes,
        ": need sizes that can be true");
}

void DirectoryReader::read_local_header(ZipEntry& entry, std::uint64_t start, std::uint64_t flags,
                                        std::uint64_t method) {
  const std::string where = to_text(file_.path(), ": '", entry.name, "' at offset ", start);
  const std::uint64_t limit = directory_.offset;  // everything lies before the directory
  check(start <= limit && limit - start >= kLocalHeaderBytes, where, ": leaves the archive: need an intact copy");
  const std::string header = file_.text_at(start, kLocalHeaderBytes);
  const std::uint64_t name_bytes = number_at(header, 26, 2);
  const std::uint64_t head = kLocalHeaderBytes + name_bytes + number_at(header, 28, 2);
  check(number_at(header, 0, 4) == kLocalHeader && number_at(header, 8, 2) == method &&
            file_.text_at(start + kLocalHeaderBytes, name_bytes) == entry.name,
        where, ": its own header contradicts the directory: need an intact copy");
  check(head <= limit - start && entry.compressed_bytes <= limit - start - head, where, ": ", entry.compressed_bytes,
        " bytes leave the archive: need an intact copy");
  constexpr std::uint64_t kSizesFollow = 1 << 3;
  const std::uint64_t compressed = number_at(header, 18, 4);
  const std::uint64_t bytes = number_at(header, 22, 4);
  const auto agrees = [](std::uint64_t local, std::uint64_t value) { return local == kSeeZip64 || local == value; };
  check((flags & kSizesFollow) != 0 || (number_at(header, 14, 4) == entry.crc &&
                                        agrees(compressed, entry.compressed_bytes) && agrees(bytes, entry.bytes)),
        where, ": its own header contradicts the directory: need an intact copy");
  entry.offset = start + head;
  extents_.push_back({start, entry.offset + entry.compressed_bytes, extents_.size()});
}

void DirectoryReader::check_extents() {
  std::sort(extents_.begin(), extents_.end(), [](const Extent& a, const Extent& b) { return a.start < b.start; });
  for (std::size_t i = 1; i < extents_.size(); ++i) {
    check(extents_[i - 1].end <= extents_[i].start, file_.path(), ": '", entries_[extents_[i - 1].entry].name,
          "' and '", entries_[extents_[i].entry].name, "' overlap: need entries of their own bytes");
  }
}

void DirectoryReader::check_expansion() const {
  std::uint64_t bytes = 0;
  for (const ZipEntry& entry : entries_) bytes += entry.bytes;  // each is at most 1032 times the file
  check(bytes <= kTrustedBytes || bytes / kTrustedRatio <= file_.size(), file_.path(), ": ", file_.size(),
        " bytes expand to ", bytes, ", as a zip bomb's do: need at most ", kTrustedRatio,
        " times the file's size; hint: write it without compression");
}

}  // namespace

ZipDirectory find_zip_directory(const InputFile& file) {
  const std::uint64_t end = find_end(file);
  const std::string record = file.text_at(end, kEndBytes);
  ZipDirectory directory{number_at(record, 10, 2), number_at(record, 12, 4), number_at(record, 16, 4)};
  const ZipDirectory short_form = directory;
  if (find_end64(file, end, directory)) {
    const auto agrees = [](std::uint64_t value, std::uint64_t see, std::uint64_t other) {
      return value == see || value == other;
    };
    check(agrees(short_form.entries, kSeeZip64Short, directory.entries) &&
              agrees(short_form.bytes, kSeeZip64, directory.bytes) &&
              agrees(short_form.offset, kSeeZip64, directory.offset),
          file.path(), ": offset ", end, ": the zip64 records contradict the end record: need an intact copy");
  } else {
    check(number_at(record, 4, 2) == 0 && number_at(record, 6, 2) == 0 && number_at(record, 8, 2) == directory.entries,
          file.path(), ": an archive in several parts: need it in one file");
  }
  check(directory.offset <= end && directory.bytes <= end - directory.offset &&
            directory.entries <= directory.bytes / kDirectoryHeaderBytes,
        file.path(), ": a directory of ", directory.entries, " entries and ", directory.bytes, " bytes at offset ",
        directory.offset, ": need one inside of the file's ", file.size(), " bytes");
  return directory;
}

std::vector<ZipEntry> read_zip_directory(const InputFile& file) { return DirectoryReader(file).read(); }

}  // namespace backflow::io::detail
