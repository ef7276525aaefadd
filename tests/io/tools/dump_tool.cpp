// The other side of hdf5_h5py_test.py and file_format_test.py: writes a dump that the script knows, and prints what it
// reads from any.
//
//   io_dump_tool write FILE     io_dump_tool read FILE     io_dump_tool inspect FILE     io_dump_tool diff FILE FILE
//   io_dump_tool write_packed FILE     io_dump_tool write_half FILE     io_dump_tool copy FILE FILE
//
// Exit code 1 and the message when the library throws.
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <iostream>
#include <limits>

#include <backflow/io/dump.h>
#include <backflow/io/inspect.h>
#include <backflow/tests/io/support.h>

namespace {

using namespace backflow;
using namespace backflow::io;
using backflow::test::make_tensor;

void write(const std::string& path) {
  Dump dump;
  dump.parameters = {{"10.weight", make_tensor<float>({2, 3}, {1, -2, 3.5F, 0, INFINITY, -0.0F})},
                     {"2.weight", make_tensor<double>({}, {1e-300})},
                     {"é.bias", make_tensor<float>({0, 4}, {})}};
  dump.buffers = {{"count", make_tensor<std::int64_t>({1}, {std::numeric_limits<std::int64_t>::min()})},
                  {"mask", make_tensor<std::uint8_t>({3}, {0, 128, 255})},
                  {"truth", make_tensor<bool>({2, 2}, {true, false, false, true})},
                  {"short", make_tensor<BFloat16>({3}, {1.5F, -2.0F, INFINITY})},
                  {"int", make_tensor<std::int32_t>({2}, {-1, std::numeric_limits<std::int32_t>::max()})}};
  dump.step = 938;
  dump.epoch = 2;
  dump.config = "name = \"é\"\n" + std::string(200000, '#');
  dump.versions = {{"backflow", "0.1.0"}, {"onednn", "2.6.3"}};
  write_dump(path, dump);
}

// Compressed in chunks of 4 KiB.
void write_packed(const std::string& path) {
  std::vector<float> values(200 * 64);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7);
  Dump dump;
  dump.parameters = {{"packed", make_tensor<float>({200, 64}, values)}, {"small", make_tensor<float>({2}, {1, 2})}};
  dump.optimizer = {{"state", make_tensor<float>({1}, {1})}};
  write_dump(path, dump, {.compression = DumpCompression::Gzip, .chunk_bytes = 4096});
}

void write_half(const std::string& path) {
  Dump dump;
  dump.parameters = {{"w", make_tensor<float>({6}, {1, 65504, 5.9604645e-08F, -0.0F, INFINITY, 1.0F / 3})}};
  write_dump(path, dump, {.floating_point = ElementType::Float16});
}

// One line a tensor: group, name, dtype, sizes and the bytes in hexadecimal.
void read(const std::string& path) {
  const Dump dump = read_dump(path);
  std::cout << "step " << dump.step << " epoch " << dump.epoch << " config " << dump.config << "\n";
  for (const auto& [group, tensors] :
       {std::pair("parameters", &dump.parameters), std::pair("buffers", &dump.buffers)}) {
    for (const auto& [name, x] : *tensors) {
      std::cout << group << "|" << name << "|" << x.scalar_type() << "|" << x.sizes() << "|" << std::hex;
      const auto* bytes = static_cast<const unsigned char*>(x.data_ptr());
      for (std::size_t i = 0; i < x.nbytes(); ++i) std::cout << std::setw(2) << std::setfill('0') << int{bytes[i]};
      std::cout << std::dec << "\n";
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const std::string command = words.at(0);
    if (command == "write") write(words.at(1));
    if (command == "copy") write_dump(words.at(2), read_dump(words.at(1)));
    if (command == "write_packed") write_packed(words.at(1));
    if (command == "write_half") write_half(words.at(1));
    if (command == "read") read(words.at(1));
    if (command == "inspect") std::cout << inspection_text(inspect_file(words.at(1)));
    if (command == "diff") {
      for (const auto& difference : diff_files(words.at(1), words.at(2))) std::cout << difference.text() << "\n";
    }
  } catch (const std::exception& error) {
    std::cout << error.what() << "\n";
    return 1;
  }
  return 0;
}
