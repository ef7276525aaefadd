// CSV: the first byte says how the rest is read.
#include <cstdlib>

#include <backflow/io/datasets/csv.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/fuzz/input.h>

using namespace backflow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const unsigned how = data[0];
  const fuzz::InputFile file(data + 1, size - 1);
  io::CsvOptions options{.separator = (how & 1) != 0 ? ';' : ',', .header = (how & 2) != 0, .most_bytes = 1 << 24};
  options.missing = {"", "NA"};
  if ((how & 4) != 0) {
    options.text_columns = {"1", "a"};
  }
  try {
    const io::CsvTable table = io::read_csv(file.path(), options);
    for (const io::CsvColumn& column : table.columns) {
      const std::size_t cells = column.is_numeric ? column.numbers.size() : column.words.size();
      if (cells != table.lines.size()) {
        std::abort();
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
