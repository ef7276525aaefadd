#include <backflow/io/datasets/idx.h>

#include <cstdint>
#include <numeric>

#include <backflow/runtime/base/warning.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using backflow::io::read_idx;
using backflow::test::error_of;
using backflow::test::values_of;

namespace {

std::string big_endian(std::uint32_t x) {
  return {static_cast<char>(x >> 24), static_cast<char>(x >> 16), static_cast<char>(x >> 8), static_cast<char>(x)};
}

std::string header(int type, const std::vector<std::uint32_t>& sizes) {
  std::string text{0, 0, static_cast<char>(type), static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes) text += big_endian(size);
  return text;
}

std::string little_endian(std::uint32_t x, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(x >> (8 * i));
  return text;
}

// One gzip member that stores `content` uncompressed (RFC 1951 and 1952).
std::string gzip(const std::string& content) {
  std::string member("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  std::size_t at = 0;
  do {
    const std::size_t length = std::min<std::size_t>(content.size() - at, 60000);
    member += static_cast<char>(at + length == content.size());
    member +=
        little_endian(static_cast<std::uint32_t>(length), 2) + little_endian(~static_cast<std::uint32_t>(length), 2);
    member += content.substr(at, length);
    at += length;
  } while (at < content.size());
  std::uint32_t crc = ~0U;
  for (const char c : content) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
  }
  return member + little_endian(~crc, 4) + little_endian(static_cast<std::uint32_t>(content.size()), 4);
}

struct IdxFile {
  test::TemporaryDirectory directory;
  std::string path = directory.file("data");

  Tensor read(const std::string& content) const {
    test::write_text(path, content);
    return read_idx(path);
  }
  // The error without the path and the ": " behind it.
  std::string error(const std::string& content) const {
    const std::string message = error_of([&] { read(content); });
    REQUIRE_THAT(message, StartsWith(path + ": "));
    return message.substr(path.size() + 2);
  }
};

}  // namespace

TEST_CASE("idx: shape, dtype and values") {
  const IdxFile file;
  const Tensor bytes = file.read(header(8, {2, 3}) + std::string("\x00\x01\x02\x7f\x80\xff", 6));
  CHECK(bytes.sizes() == IntArrayRef({2, 3}));
  CHECK(values_of<std::uint8_t>(bytes) == std::vector<std::uint8_t>{0, 1, 2, 127, 128, 255});
  CHECK(values_of<std::int64_t>(file.read(header(9, {2}) + "\x7f\x80")) == std::vector<std::int64_t>{127, -128});
  CHECK(values_of<std::int64_t>(file.read(header(11, {2}) + std::string("\x01\x00\xff\xfe", 4))) ==
        std::vector<std::int64_t>{256, -2});
  CHECK(values_of<std::int64_t>(file.read(header(12, {2}) + big_endian(65536) + big_endian(~2U))) ==
        std::vector<std::int64_t>{65536, -3});
  CHECK(values_of<float>(file.read(header(13, {1}) + big_endian(0x3fc00000))) == std::vector<float>{1.5F});
  CHECK(values_of<double>(file.read(header(14, {1}) + big_endian(0xc0040000) + big_endian(0))) ==
        std::vector<double>{-2.5});
  CHECK(file.read(header(8, {0, 28, 28})).sizes() == IntArrayRef({0, 28, 28}));
}

TEST_CASE("idx: gzip is told by content, and may have several members") {
  const IdxFile file;
  const std::string plain = header(8, {100000}) + std::string(100000, 'x');
  CHECK(values_of<std::uint8_t>(file.read(gzip(plain))) == std::vector<std::uint8_t>(100000, 'x'));
  const std::string parts =
      gzip(plain.substr(0, 3)) + gzip("") + gzip(plain.substr(3, 70000)) + gzip(plain.substr(70003));
  CHECK(values_of<std::uint8_t>(file.read(parts)) == std::vector<std::uint8_t>(100000, 'x'));
}

TEST_CASE("idx: what is wrong with a plain file") {
  const IdxFile file;
  CHECK(file.error("") == "fewer than 4 bytes: need an IDX file");
  CHECK(file.error("PNG...") == "offset 0: not an IDX file: need two zero bytes at its start");
  CHECK(file.error(header(10, {1}) + "x") == "offset 2: IDX type 10: need 8, 9, 11, 12, 13 or 14");
  CHECK(file.error(header(8, {})) == "offset 3: 0 dimensions: need 1 to 16");
  CHECK(file.error(header(8, std::vector<std::uint32_t>(17, 1))) == "offset 3: 17 dimensions: need 1 to 16");
  CHECK(file.error(header(8, {1, 2}).substr(0, 9)) == "offset 4: truncated: need 8 bytes for 2 sizes, found 5");
  CHECK(file.error(header(8, {2, 3}) + "12345") ==
        "offset 12: truncated: sizes [2, 3] need 6 bytes, the file has 5 left");
  CHECK(file.error(header(8, {2, 3}) + "1234567") ==
        "offset 18: more bytes than sizes [2, 3] need: need a file that ends here");
  CHECK(file.error(header(8, {0}) + "1") == "offset 8: more bytes than sizes [0] need: need a file that ends here");
}

TEST_CASE("idx: absurd sizes are refused before memory is asked for") {
  const IdxFile file;
  const std::uint32_t huge = 0xffffffff;
  CHECK(file.error(header(14, {huge, huge, huge, huge})) ==
        "offset 20: truncated: sizes [4294967295, 4294967295, 4294967295, 4294967295] need more than 2^64 bytes, the "
        "file has 0 left");
  CHECK_THAT(file.error(gzip(header(8, {huge, 2}))),
             StartsWith("offset 12: truncated: sizes [4294967295, 2] need 8589934590 bytes, the file has at most "));
}

TEST_CASE("idx: damaged gzip files") {
  const IdxFile file;
  const std::string whole = gzip(header(8, {4}) + "abcd");
  REQUIRE_NOTHROW(file.read(whole));
  std::string wrong_data = whole;
  wrong_data[whole.size() - 9] ^= 1;
  CHECK_THAT(file.error(wrong_data), ContainsSubstring(": the gzip stream is damaged (incorrect data check)"));
  std::string wrong_crc = whole;
  wrong_crc[whole.size() - 8] ^= 1;
  CHECK_THAT(file.error(wrong_crc), ContainsSubstring(": the gzip stream is damaged (incorrect data check)"));
  std::string wrong_length = whole;
  wrong_length[whole.size() - 1] ^= 1;
  CHECK_THAT(file.error(wrong_length), ContainsSubstring(": the gzip stream is damaged (incorrect length check)"));
  for (std::size_t length = 2; length < whole.size(); ++length) {
    CHECK_THAT(file.error(whole.substr(0, length)), ContainsSubstring(": the gzip stream is truncated: need the rest"));
  }
  CHECK_THAT(file.error(whole + "\x1f\x8bjunk and more than a header"),
             ContainsSubstring(": the gzip stream is damaged ("));
  CHECK(file.error(gzip(header(8, {4}) + "abc")) ==
        "offset 11 of the content: truncated: sizes [4] need 4 bytes behind the header, found 3");
  CHECK(file.error(gzip(header(8, {4}) + "abcde")) ==
        "offset 12 of the content: more bytes than sizes [4] need: need a file that ends here");
}

TEST_CASE("idx: what gzip ignores behind its stream is ignored: zeros in silence, the rest with a warning") {
  const IdxFile file;
  const std::string whole = gzip(header(8, {4}) + "abcd");
  const std::vector<std::uint8_t> expected{'a', 'b', 'c', 'd'};
  std::vector<std::string> warnings;
  const WarningHandler before = set_warning_handler([&](const std::string& message) { warnings.push_back(message); });
  // Also around the 64 KiB that are read at a time.
  for (const std::size_t zeros : {std::size_t{1}, std::size_t{2}, std::size_t{512}, 65536 - whole.size() - 1,
                                  65536 - whole.size(), 65536 - whole.size() + 1, std::size_t{200000}}) {
    CAPTURE(zeros);
    const std::string padded = whole + std::string(zeros, '\0');
    CHECK(values_of<std::uint8_t>(file.read(padded)) == expected);
    CHECK(warnings.empty());
    CHECK(values_of<std::uint8_t>(file.read(padded + "junk")) == expected);
    CHECK(warnings.size() == 1);
    warnings.clear();
  }
  for (const char* junk : {"j", "junk", "\x1f", "\x1fjunk"}) {
    CHECK(values_of<std::uint8_t>(file.read(whole + junk)) == expected);
    CHECK(warnings == std::vector{to_text(file.path, ": offset ", whole.size(),
                                          ": what follows the gzip stream is ignored: need a file that ends here")});
    warnings.clear();
  }
  // Behind zeros no further member counts; in front of them each does.
  CHECK(values_of<std::uint8_t>(file.read(gzip(header(8, {4}) + "ab") + gzip("cd") + std::string(9, '\0') + whole)) ==
        expected);
  CHECK(warnings.size() == 1);
  set_warning_handler(before);
}

TEST_CASE("idx: files that cannot be read") {
  const test::TemporaryDirectory directory;
  CHECK(error_of([&] { read_idx(directory.file("none")); }) ==
        directory.file("none") + ": cannot open: No such file or directory");
  CHECK(error_of([&] { read_idx(directory.path()); }) ==
        directory.path() + ": not a regular file: need a file of data");
}

TEST_CASE("idx: Fashion-MNIST", "[.data]") {
  const std::string root = "/usr/share/datasets/fashion-mnist/";
  const Tensor images = read_idx(root + "t10k-images-idx3-ubyte.gz");
  const Tensor labels = read_idx(root + "t10k-labels-idx1-ubyte.gz");
  CHECK(images.sizes() == IntArrayRef({10000, 28, 28}));
  CHECK(labels.sizes() == IntArrayRef({10000}));
  const auto values = values_of<std::uint8_t>(labels);
  std::vector<int> counts(10);
  for (const std::uint8_t label : values) ++counts.at(label);
  CHECK(counts == std::vector<int>(10, 1000));
}

TEST_CASE("idx: a header is read without its data, and compared with the size of the file") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("x");
  test::write_text(path, header(0x0d, {2, 3}) + std::string(24, '\0'));
  const io::IdxHeader plain = io::read_idx_header(path);
  CHECK(plain.sizes == DimVector{2, 3});
  CHECK(plain.dtype == kFloat32);
  test::write_text(path, gzip(header(0x08, {5}) + "abcde"));
  CHECK(io::read_idx_header(path).sizes == DimVector{5});
  for (const std::size_t bytes : {23, 25}) {
    test::write_text(path, header(0x0d, {2, 3}) + std::string(bytes, '\0'));
    CHECK(error_of([&] { io::read_idx_header(path); }) == error_of([&] { read_idx(path); }));
  }
}
