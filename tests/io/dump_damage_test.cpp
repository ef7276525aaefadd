// Damaged dumps: every one is an Error.
#include <random>

#include <backflow/io/dump.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;

namespace {

std::string content(const Dump& dump) {
  std::string text = to_text(dump.step, " ", dump.epoch, " ", dump.config);
  for (const NamedTensors* tensors : {&dump.parameters, &dump.buffers, &dump.optimizer}) {
    for (const auto& [name, x] : *tensors) {
      text +=
          name + to_text(x.scalar_type(), x.sizes()) + std::string(static_cast<const char*>(x.data_ptr()), x.nbytes());
    }
  }
  return text;
}

std::string damage(std::string bytes, std::mt19937& random) {
  const auto anywhere = [&] { return random() % bytes.size(); };
  switch (random() % 5) {
    case 0:  // one bit
      bytes[anywhere()] ^= static_cast<char>(1 << random() % 8);
      break;
    case 1:  // several bytes
      for (int i = 0; i < 20; ++i) bytes[anywhere()] = static_cast<char>(random());
      break;
    case 2:  // cut off
      bytes.resize(anywhere());
      break;
    case 3: {  // a block of zeros, as after a crash of the machine
      const std::size_t start = anywhere();
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(start), std::min<std::size_t>(512, bytes.size() - start),
                  '\0');
      break;
    }
    default:  // in the user block, and elsewhere
      bytes[random() % 70] ^= static_cast<char>(1 << random() % 8);
      if (random() % 2 == 0) bytes[anywhere()] ^= 1;
  }
  return bytes;
}

}  // namespace

TEST_CASE("dump: a damaged file is refused, unless the damage left it as it was") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  Dump dump;
  dump.parameters = {{"w", test::make_tensor<float>({10, 10}, std::vector<float>(100, 1.5F))},
                     {"b", test::make_tensor<double>({3}, {1, 2, 3})}};
  dump.config = "name = 'x'\n";
  dump.step = 5;
  write_dump(path, dump);
  const std::string whole = test::read_text(path);
  const std::string expected = content(read_dump(path));
  std::mt19937 random(7);
  int unchanged = 0;
  for (int i = 0; i < 600; ++i) {
    const std::string damaged = damage(whole, random);
    test::write_text(path, damaged);
    std::string found;
    const std::string message = test::error_of([&] { found = content(read_dump(path)); });
    CAPTURE(i, message);
    if (damaged == whole) {
      // Zeros over zeros, of which an HDF5 file has many.
      REQUIRE(message == "no error");
      REQUIRE(found == expected);
      ++unchanged;
    } else {
      REQUIRE_THAT(message, StartsWith(path + ": "));
    }
  }
  CHECK(unchanged > 0);
  CHECK(unchanged < 120);  // a fifth are blocks of zeros
}

TEST_CASE("dump: each single bit of the first bytes, and each length") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.h5");
  Dump dump;
  dump.parameters = {{"w", test::make_tensor<float>({2}, {1, 2})}};
  write_dump(path, dump);
  const std::string whole = test::read_text(path);
  const std::string expected = content(read_dump(path));
  for (std::size_t bit = 0; bit < 8 * 640; bit += 3) {
    std::string damaged = whole;
    damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
    test::write_text(path, damaged);
    CAPTURE(bit);
    REQUIRE_THAT(test::error_of([&] { read_dump(path); }),
                 StartsWith(path + ": damaged, or changed by another program"));
  }
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    test::write_text(path, whole.substr(0, length));
    CAPTURE(length);
    REQUIRE(test::error_of([&] { read_dump(path); }) != "no error");
  }
  test::write_text(path, whole + "x");
  CHECK(test::error_of([&] { read_dump(path); }) ==
        to_text(path, ": damaged, or changed by another program: its ", whole.size() + 1,
                " bytes do not match the digest at its start: need an intact copy"));
}
