// .npy files: a tensor, or an Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include <backflow/io/exchange/npy.h>

using namespace backflow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const io::InputFile file(std::as_bytes(std::span(data, size)), "fuzz");
    io::FileStream stream(file);
    io::read_npy(stream);
  } catch (const Error&) {
  }
  return 0;
}
