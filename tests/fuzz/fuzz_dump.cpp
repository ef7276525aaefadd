// Dumps, of ours or of other programs: a Dump, or an Error. The digest is checked before HDF5 sees a file of ours. What
// other files do to HDF5 happens in a child process and is an Error.
// libFuzzer: -max_len=10240
#include <backflow/io/dump.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/fuzz/input.h>

using namespace backflow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::InputFile file(data, size);
  try {
    io::read_dump(file.path());
  } catch (const Error&) {
  }
  return 0;
}
