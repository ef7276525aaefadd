// What scripts/mutate_files.py reads files with: a line "KIND PATH" of the input for each, KIND "tensors" for what
// read_tensor_file() reads and "samples" for dataset "x" of an HDF5 file. A line for each comes back:
//
//   read HASH KIB PATH            or            error KIB PATH: MESSAGE
//
// HASH is of all names, dtypes, shapes and values. KIB is by how much the process grew at most.
#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>

#include <backflow/io/datasets/hdf5_samples.h>
#include <backflow/io/guarded_read.h>
#include <backflow/io/tensor_file.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/tests/exchange/support.h>

namespace {

using namespace backflow;

std::string read(const std::string& kind, const std::string& path) {
  if (kind == "samples") {
    const io::Hdf5Samples samples(path, "x", 1 << 22);
    const Tensor all = samples.read_all();
    std::vector<std::byte> row(samples.row_bytes());
    samples.read_rows(std::vector<std::int64_t>{samples.sizes()[0] - 1}, row.data());
    return test::contents({{"x", all}});
  }
  const io::TensorFile file = io::read_tensor_file(path);
  std::string text = test::contents(file.tensors);
  for (const auto& [key, value] : file.metadata) text += key + "=" + value + "\n";
  return text;
}

/// Of /proc/self/status, in KiB.
std::int64_t memory(const std::string& what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what + ":")) return std::stoll(line.substr(what.size() + 1));
  }
  return 0;
}

void reset_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
  reset_peak_memory();
}

}  // namespace

int main(int argc, char** argv) {
  if (const std::optional<int> code = io::run_guard(argc, argv)) return *code;
  io::use_guard_program({});
  set_warning_handler([](const std::string&) {});
  std::string kind;
  for (std::string path; std::cin >> kind >> path;) {
    release_kept_memory();
    reset_peak();
    const std::int64_t before = memory("VmRSS");
    const std::int64_t tensors_before = memory_stats().current_bytes;
    std::string outcome;
    std::string message;
    try {
      outcome = to_text("read ", std::hex, std::hash<std::string>()(read(kind, path)));
    } catch (const Error& error) {
      outcome = "error";
      message = error.what();
    }
    const std::int64_t grown = std::max(memory("VmHWM") - before, (memory_stats().peak_bytes - tensors_before) / 1024);
    std::replace(message.begin(), message.end(), '\n', ' ');
    std::cout << outcome << ' ' << grown << ' ' << (message.empty() ? path : message) << std::endl;
  }
  return 0;
}
