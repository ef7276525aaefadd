#include <backflow/exchange/byte_stream.h>

#include <backflow/runtime/base/error.h>

namespace backflow::io {

FileStream::FileStream(const InputFile& file, std::uint64_t offset, std::uint64_t bytes)
    : file_(file), offset_(offset), left_(bytes) {
  check(offset <= file.size() && bytes <= file.size() - offset, file.path(), ": truncated: need ", bytes,
        " bytes from offset ", offset, ", the file has ", file.size());
}

void FileStream::read(void* data, std::size_t bytes) {
  check(bytes <= left_, where(), ": offset ", offset_, ": truncated: need ", bytes, " more bytes, found ", left_);
  file_.read_at(offset_, data, bytes);
  offset_ += bytes;
  left_ -= bytes;
}

}  // namespace backflow::io
