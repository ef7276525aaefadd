// Dumps, of ours or of other programs: a Dump, or an Error. An input is read as it is, and once more with a digest that
// fits it. What HDF5 does to a child process is an Error.
// libFuzzer: -max_len=10240
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include <backflow/exchange/crc32.h>
#include <backflow/io/dump.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/fuzz/input.h>

using namespace backflow;

namespace {

constexpr std::size_t kBlock = 512;

void read(const std::uint8_t* data, std::size_t size) {
  const fuzz::InputFile file(data, size);
  try {
    io::read_dump(file.path());
  } catch (const Error&) {
  }
}

/// The input behind a user block of format 3 that fits it; see docs/file_format.md.
std::vector<std::uint8_t> with_digest(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  std::memset(bytes.data(), 0, kBlock);
  const auto crc_of = [&](std::size_t from, std::size_t to) {
    return io::detail::crc32(std::as_bytes(std::span(bytes).subspan(from, to - from)));
  };
  const auto head = [&](std::uint32_t crc) {
    char text[128];
    const int length =
        std::snprintf(text, sizeof text, "BACKFLOW-DUMP 3\nfile  %020zu\nblock %020zu\nchunk %020d\ncrc32 %08x\n", size,
                      kBlock, 4 << 20, crc);
    std::memcpy(bytes.data(), text, static_cast<std::size_t>(length));
  };
  const std::uint32_t chunk = crc_of(kBlock, size);
  std::memcpy(bytes.data() + 128, &chunk, sizeof chunk);
  head(0);
  head(crc_of(0, kBlock));
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read(data, size);
  if (size > kBlock) {
    const std::vector<std::uint8_t> sealed = with_digest(data, size);
    read(sealed.data(), sealed.size());
  }
  return 0;
}
