// NumPy arrays: a .npy file, whole and by rows, or the array "x" of a .npz.
#include <algorithm>
#include <string>

#include <backflow/exchange/npy.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/fuzz/input.h>

using namespace backflow;

namespace {

void read(const io::NpyArray& array) {
  const DimVector& sizes = array.header().sizes;
  if (!sizes.empty() && sizes[0] > 0) {
    array.rows(0, std::min<std::int64_t>(sizes[0], 3));
    array.rows(sizes[0] - 1, 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::InputFile file(data, size);
  const bool zip = size >= 2 && data[0] == 'P' && data[1] == 'K';
  try {
    if (zip) {
      read(io::NpyArray::open(file.path(), "x"));
    } else {
      read(io::NpyArray::open(file.path()));
      io::read_npy(file.path());
    }
  } catch (const Error&) {
  }
  return 0;
}
