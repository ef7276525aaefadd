#include <backflow/io/datasets/cifar.h>

#include <string>
#include <vector>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using test::error_of;

namespace {

constexpr std::uint64_t kMost = 1 << 20;

/// A record: labels, and pixels that are all `pixel`.
std::string record(const std::vector<int>& labels, char pixel) {
  std::string text;
  for (const int label : labels) {
    text += static_cast<char>(label);
  }
  return text + std::string(3072, pixel);
}

}  // namespace

TEST_CASE("cifar: files one after the other, and the labels that are asked for") {
  const test::TemporaryDirectory directory;
  const std::string a = directory.file("a");
  const std::string b = directory.file("b");
  test::write_text(a, record({9}, 1) + record({0}, 2));
  test::write_text(b, record({5}, 3));
  const io::LabelledImages ten = io::read_cifar({a, b}, io::CifarLabels::Ten, kMost);
  CHECK(ten.images.sizes() == IntArrayRef({3, 3, 32, 32}));
  CHECK(test::values_of<std::int64_t>(ten.labels) == std::vector<std::int64_t>{9, 0, 5});
  CHECK(ten.images.data_ptr<std::uint8_t>()[2 * 3072] == 3);
  CHECK(test::values_of<std::int64_t>(io::read_cifar_labels({a, b}, io::CifarLabels::Ten, kMost)) ==
        std::vector<std::int64_t>{9, 0, 5});
  CHECK(error_of([&] { io::read_cifar_labels({a, b}, io::CifarLabels::Ten, 3 * 3072 - 1); }) != "no error");
  test::write_text(a, record({19, 99}, 1));
  CHECK(test::values_of<std::int64_t>(io::read_cifar({a}, io::CifarLabels::Coarse, kMost).labels)[0] == 19);
  CHECK(test::values_of<std::int64_t>(io::read_cifar({a}, io::CifarLabels::Fine, kMost).labels)[0] == 99);
}

TEST_CASE("cifar: damaged files are errors with file and record") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("x");
  const auto error = [&](const std::string& content, std::uint64_t most = kMost) {
    test::write_text(path, content);
    const std::string message = error_of([&] { io::read_cifar({path}, io::CifarLabels::Ten, most); });
    REQUIRE_THAT(message, StartsWith(path + ": "));
    return message.substr(path.size() + 2);
  };
  CHECK(error("") == "record 0 has 0 bytes: need 3073; is it the binary version?");
  CHECK(error(record({1}, 0) + "abc") == "record 1 has 3 bytes: need 3073; is it the binary version?");
  CHECK(error(record({1}, 0) + record({10}, 0)) == "record 1 has the label 10: need a class from 0 to 9");
  CHECK(error(record({1}, 0) + record({2}, 0), 4000) == "more than 4000 bytes of pictures: need fewer");
}
