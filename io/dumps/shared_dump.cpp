#include <backflow/io/shared_dump.h>

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/crc32.h>
#include <backflow/io/dumps/collective_file_internal.h>
#include <backflow/io/dumps/dump_chunks_internal.h>
#include <backflow/io/dumps/dump_structure_internal.h>
#include <backflow/io/dumps/rank_texts_internal.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/base/warning.h>

namespace backflow::io {
namespace {

using namespace detail;

// Tensors of less than two parts of this size are written by rank 0 alone.
constexpr std::uint64_t kLeastPart = std::uint64_t{32} << 10;

// Where the tensors are, which rank 0 tells to all.
struct FileMap {
  struct Entry {
    std::string path;
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  std::string path;  // of the dump, for messages
  std::string file;  // that is written
  std::uint64_t file_bytes = 0;
  std::vector<Entry> entries;

  std::string text() const;
  static FileMap from(std::string_view text);
};

std::string FileMap::text() const {
  TextWriter out;
  out.text(path);
  out.text(file);
  out.number(file_bytes);
  for (const Entry& entry : entries) {
    out.text(entry.path);
    out.number(entry.offset);
    out.number(entry.bytes);
  }
  return out.take();
}

FileMap FileMap::from(std::string_view text) {
  TextReader in(text);
  FileMap map;
  map.path = in.text();
  map.file = in.text();
  map.file_bytes = in.number();
  while (!in.is_at_end()) {
    std::string path = in.text();
    const std::uint64_t offset = in.number();
    map.entries.push_back({std::move(path), offset, in.number()});
  }
  return map;
}

// The file as rank 0 has it.
class FirstRank {
 public:
  FirstRank(const std::string& path, const SharedDump& share);
  ~FirstRank();
  FirstRank(const FirstRank&) = delete;
  FirstRank& operator=(const FirstRank&) = delete;

  FileMap map();
  void finish(const std::vector<std::string>& pieces_of_ranks);

 private:
  void take(std::vector<ChunkPiece> pieces);

  const std::string& path_;
  const DumpOptions options_;
  AtomicFile target_;
  std::optional<DumpStructure> structure_;
  std::optional<ChunkWriter> chunks_;
};

std::vector<PlannedGroup> plan(const std::string& path, const SharedDump& share) {
  std::vector<PlannedGroup> groups = plan_groups(path, share.dump, {});
  for (PlannedGroup& group : groups) {
    if (std::string_view(group.name) != "optimizer") continue;
    for (const TensorShare& x : share.optimizer) {
      check(x.elements.defined(), path, ": tensor '", x.name, "' in optimizer is undefined: need one with a dtype");
      group.tensors.push_back({x.name, x.sizes, elements_of_dtype(x.elements.scalar_type()), {}});
    }
  }
  return groups;
}

FirstRank::FirstRank(const std::string& path, const SharedDump& share) : path_(path), target_(path) {
  std::vector<PlannedGroup> groups = plan(path, share);
  const Hdf5Lock lock;
  structure_.emplace(path_, share.dump, std::move(groups), options_);
  Hdf5MemoryStorage& storage = structure_->storage();
  chunks_.emplace(target_, storage.size());
  const std::uint64_t block = chunks_->block_bytes();
  target_.reserve(block + storage.size());
  storage.for_each_page([&](std::uint64_t offset, std::span<const std::byte> bytes) {
    target_.write_at(block + offset, bytes.data(), bytes.size());
  });
  target_.flush();
}

FirstRank::~FirstRank() {
  const Hdf5Lock lock;
  structure_.reset();
}

FileMap FirstRank::map() {
  FileMap map{path_, target_.temporary(), chunks_->block_bytes() + structure_->storage().size(), {}};
  for (const DumpStructure::Placed& placed : structure_->placed()) {
    map.entries.push_back({placed.path, placed.offset, bytes_of(*placed.planned)});
  }
  return map;
}

void FirstRank::finish(const std::vector<std::string>& pieces_of_ranks) {
  std::vector<ChunkPiece> pieces;
  for (const std::string& text : pieces_of_ranks) {
    for (TextReader in(text); !in.is_at_end();) {
      const std::uint64_t offset = in.number();
      const std::uint64_t bytes = in.number();
      pieces.push_back({offset, bytes, static_cast<std::uint32_t>(in.number())});
    }
  }
  take(std::move(pieces));
  {
    Hdf5Lock lock;
    Hdf5MemoryStorage& whole = structure_->finish();
    const Hdf5Lock::Pause others_may(lock);
    chunks_->finish(whole);
    target_.resize(chunks_->block_bytes() + whole.size());
  }
  target_.commit();
}

// The pieces of all ranks have to be the tensors, each byte once.
void FirstRank::take(std::vector<ChunkPiece> pieces) {
  std::sort(pieces.begin(), pieces.end(),
            [](const auto& a, const auto& b) { return std::tie(a.offset, a.bytes) < std::tie(b.offset, b.bytes); });
  std::vector<DumpStructure::Placed*> tensors;
  for (DumpStructure::Placed& placed : structure_->placed()) tensors.push_back(&placed);
  std::sort(tensors.begin(), tensors.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  auto piece = pieces.begin();
  for (DumpStructure::Placed* const tensor : tensors) {
    DumpStructure::Placed& placed = *tensor;
    const std::uint64_t end = placed.offset + bytes_of(*placed.planned);
    std::uint64_t at = placed.offset;
    for (; piece != pieces.end() && piece->offset == at && at < end; ++piece) {
      placed.crc = joined_crc32(placed.crc, piece->crc, piece->bytes);
      at += piece->bytes;
      chunks_->add(*piece);
    }
    check(at == end, path_, ": the ranks have not written each element of '", placed.path,
          "' once: need shares that make the whole");
  }
  check(piece == pieces.end(), path_, ": a rank has written what is no tensor of rank 0's: need the same on all ranks");
}

// What this rank writes of one tensor.
struct Own {
  std::string path;
  std::uint64_t begin = 0;  // in bytes of the tensor
  std::optional<EncodedElements> elements;
  std::span<const std::byte> bytes;
};

// This rank's part of a tensor that all ranks have.
void take_part(Own& own, std::span<const std::byte> whole, std::size_t element, int rank, int size) {
  const std::uint64_t parts = std::clamp<std::uint64_t>(whole.size() / kLeastPart, 1, static_cast<std::uint64_t>(size));
  const auto index = std::min(static_cast<std::uint64_t>(rank), parts);
  const auto cut = [&](std::uint64_t i) { return whole.size() / element * i / parts * element; };
  own.begin = cut(index);
  own.bytes = whole.subspan(own.begin, cut(std::min(index + 1, parts)) - own.begin);
}

// What this rank writes, in the order of the file.
std::vector<Own> own_parts(const FileMap& map, const SharedDump& share, const DumpRanks& ranks) {
  struct Have {
    Tensor elements;
    std::int64_t begin = 0;
    bool is_replicated = true;
  };
  std::map<std::string, Have> haves;
  for (const DumpGroup& group : kDumpGroups) {
    for (const auto& [name, tensor] : share.dump.*group.tensors) {
      haves.emplace(to_text(group.name, '/', name), Have{tensor});
    }
  }
  for (const TensorShare& x : share.optimizer) {
    haves.emplace("optimizer/" + x.name, Have{x.elements, x.begin, x.is_replicated});
  }
  std::vector<Own> parts;
  for (const FileMap::Entry& entry : map.entries) {
    Own& own = parts.emplace_back(Own{entry.path, 0, {}, {}});
    const auto found = haves.find(entry.path);
    if (found == haves.end() || !found->second.elements.defined()) continue;
    const auto& [tensor, begin, is_replicated] = found->second;
    const ElementType type = elements_of_dtype(tensor.scalar_type());
    const std::span<const std::byte> bytes = own.elements.emplace(tensor, type).bytes();
    own.bytes = bytes;
    own.begin = static_cast<std::uint64_t>(begin) * element_size(type);
    check(own.begin <= entry.bytes && bytes.size() <= entry.bytes - own.begin, entry.path, ": ", bytes.size(),
          " bytes at byte ", own.begin, " of ", entry.bytes, ": need a part of rank 0's tensor");
    if (is_replicated) take_part(own, bytes, element_size(type), ranks.rank(), ranks.size());
  }
  return parts;
}

std::string pieces_text(const FileMap& map, const std::vector<Own>& parts) {
  std::vector<DataRange<const std::byte>> ranges;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].bytes.empty()) ranges.push_back({map.entries[i].offset + parts[i].begin, parts[i].bytes, 0});
  }
  TextWriter out;
  for (const ChunkPiece& piece : pieces_of(ranges)) {
    out.number(piece.offset);
    out.number(piece.bytes);
    out.number(piece.crc);
  }
  return out.take();
}

void check_visible(const FileMap& map) {
  struct stat found {};
  const int status = ::stat(map.file.c_str(), &found);
  check(status == 0, map.file, ": cannot be seen: ", std::strerror(errno), ": need a directory that all ranks share");
  check(static_cast<std::uint64_t>(found.st_size) == map.file_bytes, map.file, ": has ", found.st_size,
        " bytes here and ", map.file_bytes, " on rank 0: need a directory that all ranks share");
}

}  // namespace

void write_shared_dump(const std::string& path, const SharedDump& share, DumpRanks& ranks) {
  check(ranks.size() > 1, path, ": one rank: need several, or write_dump");
  check(share.dump.optimizer.empty(), path, ": dump.optimizer has tensors: need those in SharedDump::optimizer");
  std::optional<FirstRank> first;
  const std::string from_first = on_all_ranks(ranks, [&] {
                                   return ranks.rank() == 0 ? first.emplace(path, share).map().text() : std::string();
                                 }).front();
  const FileMap map = FileMap::from(from_first);
  std::vector<Own> parts;
  const std::vector<std::string> pieces = on_all_ranks(ranks, [&] {
    check_visible(map);
    parts = own_parts(map, share, ranks);
    return pieces_text(map, parts);
  });
  const std::string said = on_all_ranks(ranks, [&] {
                             std::string not_collective;
                             std::string error;
                             ranks.run([&](const void* comm) {
                               CollectiveFile file(comm, map.file, map.path);
                               for (const Own& own : parts) {
                                 file.write(own.path, own.begin, own.bytes);
                                 ranks.note_progress();
                               }
                               file.flush();
                               error = file.error();
                               not_collective = file.not_collective();
                             });
                             check(error.empty(), error);
                             return not_collective;
                           }).front();
  on_all_ranks(ranks, [&] {
    if (first) first->finish(pieces);
    return std::string();
  });
  if (first && !said.empty()) warn(path, ": ", said, "; the dump is right, and took longer");
}

}  // namespace backflow::io
