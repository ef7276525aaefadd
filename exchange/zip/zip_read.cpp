#include <algorithm>
#include <array>

#include <zlib.h>

#include <backflow/exchange/crc32.h>
#include <backflow/exchange/zip/zip.h>
#include <backflow/exchange/zip/zip_directory_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

/// The content of an entry. Its CRC-32 is compared when the last byte was read.
class EntryStream : public ByteStream {
 public:
  EntryStream(const InputFile& file, const ZipEntry& entry)
      : compressed_(file, entry.offset, entry.compressed_bytes),
        where_(file.path() + ": '" + entry.name + "'"),
        stated_crc_(entry.crc),
        left_(entry.bytes) {}

  void read(void* data, std::size_t bytes) override {
    check(bytes <= left_, where_, ": truncated: need ", bytes, " more bytes, found ", left_);
    read_content(static_cast<std::byte*>(data), bytes);
    crc_ = detail::crc32({static_cast<const std::byte*>(data), bytes}, crc_);
    left_ -= bytes;
    if (left_ == 0) finish();
  }
  std::uint64_t left() const override { return left_; }
  const std::string& where() const override { return where_; }
  /// Called when nothing is left to read.
  virtual void finish() { check(crc_ == stated_crc_, where_, ": does not match its CRC-32: need an intact copy"); }

 protected:
  virtual void read_content(std::byte* data, std::size_t bytes) { compressed_.read(data, bytes); }

  FileStream compressed_;
  std::string where_;

 private:
  std::uint32_t stated_crc_;
  std::uint32_t crc_ = 0;
  std::uint64_t left_;
};

class DeflatedStream final : public EntryStream {
 public:
  DeflatedStream(const InputFile& file, const ZipEntry& entry) : EntryStream(file, entry) {
    constexpr int kRawDeflate = -15;  // the largest window, without a wrapping
    check(inflateInit2(&stream_, kRawDeflate) == Z_OK, where_, ": no memory to decompress");
  }
  ~DeflatedStream() override { inflateEnd(&stream_); }
  DeflatedStream(const DeflatedStream&) = delete;
  DeflatedStream& operator=(const DeflatedStream&) = delete;

  void finish() override {
    std::byte more{};
    check(inflate_into(&more, 1) == 0 && at_end_ && stream_.avail_in == 0 && compressed_.left() == 0, where_,
          ": its compressed bytes hold more than it declares: need an intact copy");
    EntryStream::finish();
  }

 private:
  void read_content(std::byte* data, std::size_t bytes) override {
    check(inflate_into(data, bytes) == bytes, where_, ": its compressed bytes end early: need an intact copy");
  }

  /// Returns how many bytes came; fewer than asked for only at the end of the compressed stream.
  std::size_t inflate_into(std::byte* data, std::size_t bytes) {
    std::size_t done = 0;
    while (done < bytes && !at_end_) {
      if (stream_.avail_in == 0) refill();
      const std::size_t room = std::min<std::size_t>(bytes - done, std::size_t{1} << 30);
      stream_.next_out = reinterpret_cast<Bytef*>(data + done);
      stream_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      const std::size_t got = room - stream_.avail_out;
      done += got;
      at_end_ = status == Z_STREAM_END;
      const bool stuck = got == 0 && !at_end_ && stream_.avail_in == 0 && compressed_.left() == 0;
      check((status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR) && !stuck, where_,
            ": its compressed bytes are damaged: need an intact copy");
    }
    return done;
  }

  void refill() {
    const std::size_t bytes = std::min<std::uint64_t>(buffer_.size(), compressed_.left());
    compressed_.read(buffer_.data(), bytes);
    stream_.next_in = buffer_.data();
    stream_.avail_in = static_cast<uInt>(bytes);
  }

  z_stream stream_{};
  bool at_end_ = false;
  std::array<Bytef, 64 * 1024> buffer_{};
};

}  // namespace

ZipReader::ZipReader(const InputFile& file) : file_(file), entries_(detail::read_zip_directory(file)) {
  for (std::size_t i = 0; i < entries_.size(); ++i) by_name_.emplace(entries_[i].name, i);
}

const ZipEntry* ZipReader::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

std::unique_ptr<ByteStream> ZipReader::open(const ZipEntry& entry) const {
  std::unique_ptr<EntryStream> stream;
  if (entry.method == ZipMethod::Deflate) {
    stream = std::make_unique<DeflatedStream>(file_, entry);
  } else {
    stream = std::make_unique<EntryStream>(file_, entry);
  }
  if (entry.bytes == 0) stream->finish();
  return stream;
}

std::string ZipReader::read(const ZipEntry& entry, std::uint64_t most) const {
  check(entry.bytes <= most, file_.path(), ": '", entry.name, "' has ", entry.bytes, " bytes: need at most ", most);
  std::string content(entry.bytes, '\0');
  const std::unique_ptr<ByteStream> stream = open(entry);
  if (!content.empty()) stream->read(content.data(), content.size());
  return content;
}

}  // namespace backflow::io
