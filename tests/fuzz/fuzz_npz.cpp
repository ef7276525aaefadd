// Archives of NumPy, and with them the zip reader: tensors, or an Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include <backflow/exchange/npy.h>
#include <backflow/ops/functions.h>

using namespace backflow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const io::InputFile file(std::as_bytes(std::span(data, size)), "fuzz");
    for (const auto& [name, x] : io::read_npz(file).tensors)
      io::EncodedElements(x, io::elements_of_dtype(x.scalar_type()));
  } catch (const Error&) {
  }
  return 0;
}
