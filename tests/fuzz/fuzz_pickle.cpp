// Pickles by themselves, without the archive whose checksums would hide them: a state dictionary, or an Error.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <backflow/exchange/torch/state_dict_internal.h>
#include <backflow/ops/functions.h>

using namespace backflow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string where = "fuzz";
  try {
    io::detail::Unpickler unpickler({reinterpret_cast<const char*>(data), size}, where);
    const io::detail::Pickle pickle = unpickler.read();
    io::detail::find_state_dict(pickle, "", where);
    io::detail::find_state_dict(pickle, "model", where);
  } catch (const Error&) {
  }
  return 0;
}
