// CIFAR-10 and CIFAR-100, plain and compressed.
// libFuzzer: -max_len=6200
#include <backflow/io/datasets/cifar.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/tests/fuzz/input.h>

using namespace backflow;

namespace {

// A few kilobytes of gzip unpack to megabytes, and an input would take a tenth of a second.
constexpr std::uint64_t kMostBytes = 40 * 3072;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const WarningHandler silent = set_warning_handler([](const std::string&) {});
  const fuzz::InputFile file(data, size);
  for (const io::CifarLabels kind : {io::CifarLabels::Ten, io::CifarLabels::Fine, io::CifarLabels::Coarse}) {
    try {
      io::read_cifar({file.path()}, kind, kMostBytes);
    } catch (const Error&) {
    }
  }
  return 0;
}
