// IDX, plain and compressed.
#include <backflow/io/datasets/idx.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/tests/fuzz/input.h>

using namespace backflow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const WarningHandler silent = set_warning_handler([](const std::string&) {});
  const fuzz::InputFile file(data, size);
  try {
    io::read_idx(file.path());
  } catch (const Error&) {
  }
  return 0;
}
