// Dataset "x" of an HDF5 file: opened and read by rows. HDF5 itself is not clean; what it does to a child process is an
// Error.
// libFuzzer: -max_len=6144
#include <vector>

#include <backflow/io/datasets/hdf5_samples.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/fuzz/input.h>

using namespace backflow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::InputFile file(data, size);
  try {
    const io::Hdf5Samples samples(file.path(), "x", 1 << 20);
    std::vector<std::byte> row(samples.row_bytes());
    for (const std::int64_t number : {std::int64_t{0}, samples.sizes()[0] - 1}) {
      samples.read_rows(std::vector<std::int64_t>{number}, row.data());
    }
  } catch (const Error&) {
  }
  return 0;
}
