#include <algorithm>
#include <utility>

#include <backflow/exchange/crc32.h>
#include <backflow/io/dumps/dump_chunks_internal.h>
#include <backflow/io/dumps/dump_internal.h>
#include <backflow/io/dumps/dump_reader_internal.h>
#include <backflow/io/dumps/guarded_read_internal.h>

namespace backflow::io {
namespace detail {
namespace {

// Makes tensors of what the child process found in a file. Where elements lie is checked before memory is asked for.
class DumpLoader {
 public:
  DumpLoader(const InputFile& file, std::optional<ChunkTable> table, Digest digest, DumpCatalog catalog)
      : file_(file), table_(std::move(table)), digest_(digest), catalog_(std::move(catalog)) {}

  RawDump load(GuardedRead& child);

 private:
  // A tensor whose elements are read straight from the file.
  struct Direct {
    std::size_t entry;
    std::uint64_t offset;
    std::uint64_t bytes;
  };

  std::vector<Direct> direct_tensors() const;
  void check_sizes(const GuardLimits& limits) const;
  void receive(const StoredTensor& stored, DumpEntry& entry, GuardedRead& child) const;
  void read_direct(const std::vector<Direct>& tensors, std::vector<DumpEntry>& entries) const;

  const InputFile& file_;
  std::optional<ChunkTable> table_;
  Digest digest_;
  DumpCatalog catalog_;
};

std::string full_name(const StoredTensor& tensor) { return "'/" + tensor.group + "/" + tensor.name + "'"; }

// By offset. Data of a file of ours lie apart; another program may have several links to a dataset.
std::vector<DumpLoader::Direct> DumpLoader::direct_tensors() const {
  std::vector<Direct> result;
  for (std::size_t i = 0; i < catalog_.tensors.size(); ++i) {
    const StoredTensor& tensor = catalog_.tensors[i];
    if (tensor.offset) result.push_back({i, *tensor.offset, *tensor.bytes()});
  }
  std::sort(result.begin(), result.end(), [](const Direct& a, const Direct& b) { return a.offset < b.offset; });
  const std::uint64_t start = table_ ? table_->block_bytes : 0;
  std::uint64_t end = start;
  for (const Direct& direct : result) {
    const StoredTensor& tensor = catalog_.tensors[direct.entry];
    const bool inside = direct.offset >= start && direct.offset <= file_.size() &&
                        direct.bytes <= file_.size() - direct.offset && direct.bytes > 0 &&
                        element_size(tensor.type) == element_size(dtype_of_elements(tensor.type));
    check(inside, file_.path(), ": ", full_name(tensor), " lies outside of the file: need a file that holds it");
    check(direct.offset >= end || digest_ == Digest::Absent, file_.path(), ": ", full_name(tensor),
          " lies on top of another tensor: need data that are apart");
    end = direct.offset + direct.bytes;
  }
  return result;
}

void DumpLoader::check_sizes(const GuardLimits& limits) const {
  std::uint64_t all = 0;
  for (const StoredTensor& tensor : catalog_.tensors) {
    check(!__builtin_add_overflow(all, *tensor.bytes(), &all) && all <= limits.more_bytes, file_.path(),
          ": damaged, or made to fill memory: reading it takes more than ", limits.more_bytes >> 20,
          " MiB: need an intact copy");
  }
}

// A file may have any byte where C++ knows but two.
void check_truth(const Tensor& x, const std::string& path, const std::string& name) {
  const auto* bytes = static_cast<const unsigned char*>(x.const_data_ptr());
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    check(bytes[i] <= 1, path, ": ", name, " has a truth value of ", int{bytes[i]}, ": need 0 or 1");
  }
}

std::span<std::byte> bytes_of(Tensor& x) { return {static_cast<std::byte*>(x.mutable_data_ptr()), x.nbytes()}; }

void DumpLoader::receive(const StoredTensor& stored, DumpEntry& entry, GuardedRead& child) const {
  entry.value = empty_tensor(stored.sizes, dtype_of_elements(stored.type));
  if (entry.value.numel() == 0) return;
  if (stored.type == ElementType::Float16) {  // which no tensor has
    std::vector<std::byte> half(*stored.bytes());
    child.receive(half);
    decode_elements(stored.type, ByteOrder::Little, half, entry.value, 0, file_.path());
    entry.checksum = crc32(half);
    return;
  }
  child.receive(bytes_of(entry.value));
  entry.checksum = crc32(bytes_of(entry.value));
}

void DumpLoader::read_direct(const std::vector<Direct>& tensors, std::vector<DumpEntry>& entries) const {
  std::vector<DataRange<std::byte>> ranges;
  for (const Direct& tensor : tensors) {
    const StoredTensor& stored = catalog_.tensors[tensor.entry];
    Tensor& x = entries[tensor.entry].value = empty_tensor(stored.sizes, dtype_of_elements(stored.type));
    ranges.push_back({tensor.offset - (table_ ? table_->block_bytes : 0), bytes_of(x), 0});
  }
  if (table_) {
    ChunkReader(file_, *table_).read_data(ranges);
  } else {
    read_ranges(file_, ranges);
  }
  for (std::size_t i = 0; i < ranges.size(); ++i) entries[tensors[i].entry].checksum = ranges[i].crc;
}

RawDump DumpLoader::load(GuardedRead& child) {
  RawDump dump;
  dump.digest = digest_;
  dump.format_version = catalog_.format_version;
  check_sizes(child.limits());
  const std::vector<Direct> direct = direct_tensors();
  for (const StoredTensor& stored : catalog_.tensors) {
    dump.entries.push_back({stored.group, stored.name, stored.type, {}, stored.stated_checksum, 0});
    if (!stored.offset) receive(stored, dump.entries.back(), child);
  }
  child.finish();
  read_direct(direct, dump.entries);
  for (const DumpEntry& entry : dump.entries) {
    if (entry.type == ElementType::Bool)
      check_truth(entry.value, file_.path(), "'/" + entry.group + "/" + entry.name + "'");
  }
  dump.info = std::move(catalog_.info);
  return dump;
}

}  // namespace

RawDump read_raw_dump(const std::string& path) {
  constexpr int kTries = 5;
  for (int i = 0; i < kTries; ++i) {
    const InputFile file(path);
    std::optional<ChunkTable> table = read_chunk_table(file);
    const Digest digest = table ? Digest::Verified : verify_digest(file);
    GuardedRead child({path}, [&](GuardReport& report) { DumpReader(path).send(report); });
    // A link, an attribute and a dataset need more bytes in the file than they have here.
    constexpr std::uint64_t kGrowth = 16;
    DumpCatalog catalog = decode_catalog(child.receive(kGrowth * file.size()), path);
    // Else another file was put in its place meanwhile, as the trainer does with best.h5.
    if (catalog.head == head_of(file))
      return DumpLoader(file, std::move(table), digest, std::move(catalog)).load(child);
  }
  fail(path, ": replaced again and again while it was read: need a file that stays for a moment");
}

}  // namespace detail

Dump read_dump(const std::string& path) {
  detail::RawDump raw = detail::read_raw_dump(path);
  Dump dump = std::move(raw.info);
  for (detail::DumpEntry& entry : raw.entries) {
    check(entry.is_intact(), path, ": '/", entry.group, "/", entry.name,
          "' does not match its checksum: need an intact copy");
    const bool is_reduced = entry.type == ElementType::Float16 || entry.type == ElementType::BFloat16;
    if (is_reduced && entry.group == "parameters") dump.reduced_to = entry.type;
    const auto* group = std::find_if(std::begin(kDumpGroups), std::end(kDumpGroups),
                                     [&](const DumpGroup& known) { return entry.group == known.name; });
    (dump.*group->tensors).emplace_back(entry.name, std::move(entry.value));
  }
  return dump;
}

}  // namespace backflow::io
