#include <algorithm>
#include <utility>

#include <backflow/exchange/crc32.h>
#include <backflow/io/dumps/dump_chunks_internal.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::io::detail {
namespace {

// Small enough that a file of some hundred MB feeds many threads, large enough that the table stays small.
constexpr std::uint64_t kChunkBytes = std::uint64_t{4} << 20;
// What is copied at once: it stays in the cache between the copy and its CRC-32.
constexpr std::uint64_t kBlockBytes = std::uint64_t{256} << 10;

// Returns the CRC-32 of what it reads.
std::uint32_t read_piece(const InputFile& file, std::uint64_t offset, std::byte* to, std::uint64_t bytes) {
  std::uint32_t crc = 0;
  for (std::uint64_t done = 0; done < bytes;) {
    const std::size_t some = std::min(bytes - done, kBlockBytes);
    file.read_at(offset + done, to + done, some);
    crc = crc32({to + done, some}, crc);
    done += some;
  }
  return crc;
}

// A piece of the data of a range.
struct DataPart {
  std::size_t range = 0;
  const std::byte* data = nullptr;
  ChunkPiece piece;
};

std::vector<DataPart> parts_of(std::span<const DataRange<const std::byte>> ranges) {
  std::vector<DataPart> parts;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto& [offset, data, crc] = ranges[i];
    for (std::uint64_t done = 0; done < data.size();) {
      const std::uint64_t room = kChunkBytes - (offset + done) % kChunkBytes;
      const std::uint64_t bytes = std::min<std::uint64_t>(room, data.size() - done);
      parts.push_back({i, data.data() + done, {offset + done, bytes, 0}});
      done += bytes;
    }
  }
  return parts;
}

}  // namespace

std::vector<ChunkPiece> pieces_of(std::span<const DataRange<const std::byte>> ranges) {
  const std::vector<DataPart> parts = parts_of(ranges);
  std::vector<ChunkPiece> pieces(parts.size());
  parallel_for(std::ssize(parts), [&](std::int64_t i) {
    const auto index = static_cast<std::size_t>(i);
    pieces[index] = parts[index].piece;
    pieces[index].crc = crc32({parts[index].data, pieces[index].bytes});
  });
  return pieces;
}

ChunkWriter::ChunkWriter(const AtomicFile& target, std::uint64_t content_bytes) : target_(target) {
  table_.chunk_bytes = kChunkBytes;
  table_.block_bytes = block_bytes_for(content_bytes + kChunkBytes, kChunkBytes);
  chunks_.resize((content_bytes + 2 * kChunkBytes - 1) / kChunkBytes);
}

void ChunkWriter::write_piece(ChunkPiece& piece, const std::byte* data) const {
  for (std::uint64_t done = 0; done < piece.bytes;) {
    const std::size_t bytes = std::min(piece.bytes - done, kBlockBytes);
    piece.crc = crc32({data + done, bytes}, piece.crc);
    target_.write_at(table_.block_bytes + piece.offset + done, data + done, bytes);
    done += bytes;
  }
  constexpr std::uint64_t kWorthFlushing = std::uint64_t{1} << 20;
  if (piece.bytes >= kWorthFlushing) target_.start_flush(table_.block_bytes + piece.offset, piece.bytes);
}

void ChunkWriter::write(std::span<DataRange<const std::byte>> ranges) {
  std::vector<DataPart> parts = parts_of(ranges);
  parallel_for(std::ssize(parts), [&](std::int64_t i) {
    DataPart& part = parts[static_cast<std::size_t>(i)];
    write_piece(part.piece, part.data);
  });
  for (const DataPart& part : parts) {
    std::uint32_t& crc = ranges[part.range].crc;
    crc = joined_crc32(crc, part.piece.crc, part.piece.bytes);
    add(part.piece);
  }
}

void ChunkWriter::add(const ChunkPiece& piece) { chunks_.at(piece.offset / kChunkBytes).push_back(piece); }

std::uint32_t ChunkWriter::finish_chunk(std::vector<ChunkPiece>& pieces, std::uint64_t start, std::uint64_t end,
                                        Hdf5MemoryStorage& structure) const {
  std::sort(pieces.begin(), pieces.end(), [](const ChunkPiece& a, const ChunkPiece& b) { return a.offset < b.offset; });
  std::uint32_t crc = 0;
  std::uint64_t at = start;
  std::vector<std::byte> between;
  const auto fill_until = [&](std::uint64_t offset) {
    if (at == offset) return;
    between.resize(offset - at);
    structure.read(at, between);
    ChunkPiece piece{at, offset - at, 0};
    write_piece(piece, between.data());
    crc = joined_crc32(crc, piece.crc, piece.bytes);
  };
  for (const ChunkPiece& piece : pieces) {
    fill_until(piece.offset);
    crc = joined_crc32(crc, piece.crc, piece.bytes);
    at = piece.offset + piece.bytes;
  }
  fill_until(end);
  return crc;
}

void ChunkWriter::finish(Hdf5MemoryStorage& structure) {
  const std::uint64_t bytes = structure.size();
  table_.file_bytes = table_.block_bytes + bytes;
  table_.crcs.resize((bytes + kChunkBytes - 1) / kChunkBytes);
  check(table_.crcs.size() <= chunks_.size(), "a dump of ", bytes, " bytes: need no more than was expected");
  parallel_for(std::ssize(table_.crcs), [&](std::int64_t i) {
    const auto index = static_cast<std::size_t>(i);
    const std::uint64_t start = index * kChunkBytes;
    table_.crcs[index] = finish_chunk(chunks_[index], start, std::min(start + kChunkBytes, bytes), structure);
  });
  const std::string block = user_block(table_);
  target_.write_at(0, block.data(), block.size());
}

ChunkReader::ChunkReader(const InputFile& file, ChunkTable table) : file_(file), table_(std::move(table)) {
  set_size(table_.content_bytes());
}

const std::vector<std::byte>& ChunkReader::chunk(std::uint64_t index) {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& x) { return x.first == index; });
  if (found != kept_.end()) return found->second;
  const std::uint64_t start = index * table_.chunk_bytes;
  std::vector<std::byte> bytes(std::min(table_.chunk_bytes, size() - start));
  if (read_piece(file_, table_.block_bytes + start, bytes.data(), bytes.size()) != table_.crcs[index])
    fail_damaged(file_.path(), file_.size());
  constexpr std::size_t kMostKept = 4;
  if (kept_.size() == kMostKept) kept_.pop_front();
  kept_.emplace_back(index, std::move(bytes));
  return kept_.back().second;
}

void ChunkReader::read(std::uint64_t offset, std::span<std::byte> to) {
  while (!to.empty()) {
    const std::uint64_t inside = offset % table_.chunk_bytes;
    const std::size_t bytes = std::min<std::uint64_t>(table_.chunk_bytes - inside, to.size());
    std::copy_n(chunk(offset / table_.chunk_bytes).begin() + static_cast<std::ptrdiff_t>(inside), bytes, to.begin());
    to = to.subspan(bytes);
    offset += bytes;
  }
}

void ChunkReader::write(std::uint64_t, std::span<const std::byte>) {
  fail(file_.path(), ": cannot write: need a file that is only read");
}

std::vector<ChunkReader::Part> ChunkReader::read_chunk(std::uint64_t index,
                                                       std::span<DataRange<std::byte>> ranges) const {
  std::uint64_t at = index * table_.chunk_bytes;
  const std::uint64_t end = std::min(at + table_.chunk_bytes, size());
  auto range =
      std::partition_point(ranges.begin(), ranges.end(), [&](const auto& x) { return x.offset + x.data.size() <= at; });
  std::vector<Part> parts;
  std::vector<std::byte> between;
  std::uint32_t crc = 0;
  while (at < end) {
    std::uint64_t bytes = 0;
    std::uint32_t piece = 0;
    if (range != ranges.end() && range->offset <= at) {
      bytes = std::min(end, range->offset + range->data.size()) - at;
      piece = read_piece(file_, table_.block_bytes + at, range->data.data() + (at - range->offset), bytes);
      parts.push_back({static_cast<std::size_t>(range - ranges.begin()), bytes, piece});
      if (at + bytes == range->offset + range->data.size()) ++range;
    } else {
      bytes = (range == ranges.end() ? end : std::min(end, range->offset)) - at;
      between.resize(bytes);
      piece = read_piece(file_, table_.block_bytes + at, between.data(), bytes);
    }
    crc = joined_crc32(crc, piece, bytes);
    at += bytes;
  }
  if (crc != table_.crcs[index]) fail_damaged(file_.path(), file_.size());
  return parts;
}

void read_ranges(const InputFile& file, std::span<DataRange<std::byte>> ranges) {
  struct Part {
    std::size_t range = 0;
    std::uint64_t start = 0;
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
  };
  std::vector<Part> parts;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    for (std::uint64_t start = 0; start < ranges[i].data.size(); start += kChunkBytes) {
      parts.push_back({i, start, std::min(kChunkBytes, ranges[i].data.size() - start)});
    }
  }
  parallel_for(std::ssize(parts), [&](std::int64_t i) {
    Part& part = parts[static_cast<std::size_t>(i)];
    const DataRange<std::byte>& range = ranges[part.range];
    part.crc = read_piece(file, range.offset + part.start, range.data.data() + part.start, part.bytes);
  });
  for (const Part& part : parts) ranges[part.range].crc = joined_crc32(ranges[part.range].crc, part.crc, part.bytes);
}

void ChunkReader::read_data(std::span<DataRange<std::byte>> ranges) const {
  std::vector<std::vector<Part>> parts(table_.crcs.size());
  parallel_for(std::ssize(parts), [&](std::int64_t i) {
    parts[static_cast<std::size_t>(i)] = read_chunk(static_cast<std::uint64_t>(i), ranges);
  });
  for (const std::vector<Part>& chunk : parts) {
    for (const Part& part : chunk) ranges[part.range].crc = joined_crc32(ranges[part.range].crc, part.crc, part.bytes);
  }
}

}  // namespace backflow::io::detail
