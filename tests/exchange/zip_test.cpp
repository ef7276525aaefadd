#include <backflow/exchange/zip/zip.h>

#include <zlib.h>

#include <backflow/exchange/atomic_file.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/exchange/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

namespace {

void put(std::string& text, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
}

/// An entry as it is written, and what its directory says, which may be a lie.
struct Entry {
  std::string name;
  std::string compressed;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
  unsigned method = 0;
  unsigned flags = 0;
  std::int64_t moved = 0;  // added to the offset in the directory
};

Entry stored(const std::string& name, const std::string& content) {
  return {name, content, content.size(),
          static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()))};
}

Entry deflated(const std::string& name, const std::string& content) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  Entry entry = stored(name, content);
  entry.compressed.resize(deflateBound(&stream, content.size()));
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(content.data()));  // NOLINT: zlib changes nothing
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(entry.compressed.data());
  stream.avail_out = static_cast<uInt>(entry.compressed.size());
  deflate(&stream, Z_FINISH);
  entry.compressed.resize(stream.total_out);
  deflateEnd(&stream);
  entry.method = 8;
  return entry;
}

void put_common(std::string& text, const Entry& entry) {
  put(text, 20, 2);
  put(text, entry.flags, 2);
  put(text, entry.method, 2);
  put(text, 0, 4);
  put(text, entry.crc, 4);
  put(text, entry.compressed.size(), 4);
  put(text, entry.bytes, 4);
  put(text, entry.name.size(), 2);
  put(text, 0, 2);
}

std::string archive(const std::vector<Entry>& entries) {
  std::string text;
  std::string directory;
  for (const Entry& entry : entries) {
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    put_common(directory, entry);
    put(directory, 0, 10);
    put(directory, text.size() + static_cast<std::uint64_t>(entry.moved), 4);
    directory += entry.name;
    put(text, 0x04034b50, 4);
    put_common(text, entry);
    text += entry.name + entry.compressed;
  }
  const std::size_t start = text.size();
  text += directory;
  put(text, 0x06054b50, 4);
  put(text, 0, 4);
  put(text, entries.size(), 2);
  put(text, entries.size(), 2);
  put(text, directory.size(), 4);
  put(text, start, 4);
  put(text, 0, 2);
  return text;
}

/// The contents of all entries, or the message of the Error.
std::string read(const std::string& bytes) {
  std::string result;
  const std::string error = error_of([&] {
    const InputFile file(std::as_bytes(std::span(bytes)), "x.zip");
    const ZipReader reader(file);
    for (const ZipEntry& entry : reader.entries()) result += entry.name + "=" + reader.read(entry, 1 << 30) + ";";
  });
  return error == "no error" ? result : error;
}

}  // namespace

TEST_CASE("zip: stored and deflated entries") {
  const std::string text(100000, 'x');
  CHECK(read(archive({stored("a", "hello"), deflated("b", text), stored("empty", ""), deflated("c", "")})) ==
        "a=hello;b=" + text + ";empty=;c=;");
  CHECK(read(archive({})).empty());
}

TEST_CASE("zip: what we write is aligned, and reads back") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("x.zip");
  {
    AtomicFile file(path);
    ZipWriter writer(file, path);
    const std::string first = "hello";
    writer.add("a", std::as_bytes(std::span(first)));
    writer.add("b/c", std::span<const std::byte>());
    CHECK(error_of([&] { writer.add("a", std::span<const std::byte>()); }) ==
          path + ": two entries 'a': need different names");
    writer.finish();
    file.commit();
  }
  const InputFile file(path);
  const ZipReader reader(file);
  REQUIRE(reader.entries().size() == 2);
  for (const ZipEntry& entry : reader.entries()) CHECK(entry.offset % 64 == 0);
  CHECK(reader.read(*reader.find("a"), 5) == "hello");
  CHECK(reader.find("c") == nullptr);
  CHECK(error_of([&] { reader.read(*reader.find("a"), 4); }) == path + ": 'a' has 5 bytes: need at most 4");
}

TEST_CASE("zip: archives that lie") {
  CHECK(read("PK") == "x.zip: no zip archive, or truncated: need one that ends with its directory");
  Entry overlapping = stored("b", "hello");
  overlapping.moved = -static_cast<std::int64_t>(30 + 1 + 5);
  CHECK(read(archive({stored("b", "hello"), overlapping})).find("two entries 'b'") != std::string::npos);
  // An entry whose content holds a whole other one.
  const std::string inner = archive({stored("in", "hello")});
  Entry hidden = stored("in", "hello");
  hidden.moved = -static_cast<std::int64_t>(inner.size());
  CHECK(read(archive({stored("out", inner), hidden})).find("'out' and 'in' overlap") != std::string::npos);
  Entry outside = stored("a", "hello");
  outside.moved = 1000;
  CHECK(read(archive({outside})).find("leaves the archive") != std::string::npos);
  Entry encrypted = stored("a", "hello");
  encrypted.flags = 1;
  CHECK(read(archive({encrypted})).find("is encrypted") != std::string::npos);
  Entry other = stored("a", "hello");
  other.method = 12;
  CHECK(read(archive({other})).find("compressed by method 12") != std::string::npos);
  Entry changed = stored("a", "hello");
  changed.crc ^= 1;
  CHECK(read(archive({changed})) == "x.zip: 'a': does not match its CRC-32: need an intact copy");
  Entry longer = stored("a", "hello");
  longer.bytes = 6;
  CHECK(read(archive({longer})).find("need sizes that can be true") != std::string::npos);
  Entry short_text = deflated("a", std::string(1000, 'x'));
  short_text.bytes = 999;
  CHECK(read(archive({short_text})).find("more than it declares") != std::string::npos);
  Entry long_text = deflated("a", std::string(1000, 'x'));
  long_text.bytes = 1001;
  CHECK(read(archive({long_text})).find("end early") != std::string::npos);
  CHECK(read(archive({stored(std::string("a\0b", 3), "")})).find("has a NUL") != std::string::npos);
}

TEST_CASE("zip: a bomb is refused before it expands") {
  Entry bomb = deflated("a", std::string(1 << 20, '\0'));
  bomb.bytes = std::uint64_t{1} << 30;
  CHECK(read(archive({bomb})).find("need sizes that can be true") != std::string::npos);
  std::vector<Entry> many;
  const Entry part = deflated("", std::string(16 << 20, '\0'));
  for (int i = 0; i < 20; ++i) {
    many.push_back(part);
    many.back().name = std::to_string(i);
  }
  CHECK(read(archive(many)).find("as a zip bomb's do") != std::string::npos);
}
