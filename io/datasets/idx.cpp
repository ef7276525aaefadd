#include <backflow/io/datasets/idx.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include <backflow/io/byte_source_internal.h>

namespace backflow::io {
namespace {

// The element types, by the third byte of the file.
enum class IdxType : std::uint8_t {
  UInt8 = 0x08,
  Int8 = 0x09,
  Int16 = 0x0B,
  Int32 = 0x0C,
  Float32 = 0x0D,
  Float64 = 0x0E
};

struct ElementType {
  std::size_t bytes;  // in the file
  ScalarType dtype;   // in the tensor
};

ElementType element_type(std::uint8_t code, const std::string& path) {
  switch (static_cast<IdxType>(code)) {
    case IdxType::UInt8:
      return {1, kUInt8};
    case IdxType::Int8:
      return {1, kInt64};
    case IdxType::Int16:
      return {2, kInt64};
    case IdxType::Int32:
      return {4, kInt64};
    case IdxType::Float32:
      return {4, kFloat32};
    case IdxType::Float64:
      return {8, kFloat64};
  }
  fail(path, ": offset 2: IDX type ", static_cast<int>(code), ": need 8, 9, 11, 12, 13 or 14");
}

// The big-endian number of type Stored at `at`.
template <class Unsigned, class Stored>
Stored big_endian(const std::uint8_t* at) {
  Unsigned bits = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) bits = static_cast<Unsigned>(bits << 8 | at[i]);
  return std::bit_cast<Stored>(bits);
}

template <class Unsigned, class Stored, class Element>
void convert(const std::uint8_t* from, std::size_t count, void* to, std::size_t first) {
  auto* elements = static_cast<Element*>(to) + first;
  for (std::size_t i = 0; i < count; ++i) {
    // NOLINTNEXTLINE(bugprone-signed-char-misuse): IDX's signed bytes are numbers, not letters
    elements[i] = static_cast<Element>(big_endian<Unsigned, Stored>(from + i * sizeof(Unsigned)));
  }
}

// Writes `count` elements of the file to the tensor's elements from `first` on.
void convert(IdxType type, const std::uint8_t* from, std::size_t count, void* to, std::size_t first) {
  switch (type) {
    case IdxType::UInt8:
      std::memcpy(static_cast<std::uint8_t*>(to) + first, from, count);
      break;
    case IdxType::Int8:
      return convert<std::uint8_t, std::int8_t, std::int64_t>(from, count, to, first);
    case IdxType::Int16:
      return convert<std::uint16_t, std::int16_t, std::int64_t>(from, count, to, first);
    case IdxType::Int32:
      return convert<std::uint32_t, std::int32_t, std::int64_t>(from, count, to, first);
    case IdxType::Float32:
      return convert<std::uint32_t, float, float>(from, count, to, first);
    case IdxType::Float64:
      return convert<std::uint64_t, double, double>(from, count, to, first);
  }
}

struct Header {
  std::uint8_t code = 0;
  std::uint64_t bytes = 0;  // of the header itself
  DimVector sizes;
};

Header read_header(detail::ByteSource& source, const std::string& path) {
  std::array<std::uint8_t, 4 + 4 * kMaxDims> bytes{};
  check(source.read(bytes.data(), 4) == 4, path, ": fewer than 4 bytes: need an IDX file");
  check(bytes[0] == 0 && bytes[1] == 0, path, ": offset 0: not an IDX file: need two zero bytes at its start");
  const std::size_t rank = bytes[3];
  check(rank >= 1 && rank <= kMaxDims, path, ": offset 3: ", rank, " dimensions: need 1 to ", kMaxDims);
  const std::size_t got = source.read(bytes.data() + 4, 4 * rank);
  check(got == 4 * rank, path, ": offset 4: truncated: need ", 4 * rank, " bytes for ", rank, " sizes, found ", got);
  Header header{bytes[2], 4 + 4 * rank, {}};
  for (std::size_t i = 0; i < rank; ++i) {
    header.sizes.push_back(big_endian<std::uint32_t, std::uint32_t>(bytes.data() + 4 + 4 * i));
  }
  return header;
}

// The bytes of the data, which the file must be able to hold.
std::uint64_t data_bytes(const Header& header, const ElementType& type, const detail::ByteSource& source,
                         const std::string& path) {
  const std::uint64_t most = source.size_bound() - std::min(source.size_bound(), header.bytes);
  std::uint64_t bytes = type.bytes;
  bool fits = true;
  for (const std::int64_t size : header.sizes) {
    fits = fits && !__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes);
  }
  const bool empty = std::find(header.sizes.begin(), header.sizes.end(), 0) != header.sizes.end();
  if (empty && fits) return 0;
  check(fits && bytes <= most, path, ": offset ", header.bytes, ": truncated: sizes ", header.sizes, " need ",
        fits ? std::to_string(bytes) : "more than 2^64", " bytes, the file has ",
        source.is_compressed() ? "at most " : "", most, " left");
  return bytes;
}

}  // namespace

IdxHeader read_idx_header(const std::string& path) {
  detail::ByteSource source(path);
  const Header header = read_header(source, path);
  const ElementType type = element_type(header.code, path);
  const std::uint64_t end = header.bytes + data_bytes(header, type, source, path);
  check(source.is_compressed() || source.size_bound() == end, path, ": offset ", end, ": more bytes than sizes ",
        header.sizes, " need: need a file that ends here");
  return {header.sizes, type.dtype};
}

Tensor read_idx(const std::string& path) {
  detail::ByteSource source(path);
  const Header header = read_header(source, path);
  const ElementType type = element_type(header.code, path);
  const std::uint64_t bytes = data_bytes(header, type, source, path);
  Tensor result = empty_tensor(header.sizes, type.dtype);
  std::vector<std::uint8_t> buffer(std::min<std::uint64_t>(bytes, 1 << 20));
  for (std::uint64_t done = 0; done < bytes;) {
    const std::size_t want = std::min<std::uint64_t>(buffer.size(), bytes - done);
    const std::size_t got = source.read(buffer.data(), want);
    check(got == want, path, ": offset ", header.bytes + done + got, source.is_compressed() ? " of the content" : "",
          ": truncated: sizes ", header.sizes, " need ", bytes, " bytes behind the header, found ", done + got);
    convert(static_cast<IdxType>(header.code), buffer.data(), want / type.bytes, result.mutable_data_ptr(),
            done / type.bytes);
    done += want;
  }
  std::uint8_t more = 0;
  check(source.read(&more, 1) == 0, path, ": offset ", header.bytes + bytes,
        source.is_compressed() ? " of the content" : "", ": more bytes than sizes ", header.sizes,
        " need: need a file that ends here");
  return result;
}

}  // namespace backflow::io
