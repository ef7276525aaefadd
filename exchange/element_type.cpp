#include <backflow/exchange/element_type.h>

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <ostream>
#include <type_traits>

#include <backflow/exchange/half_internal.h>
#include <backflow/exchange/row_major.h>

namespace backflow::io {
namespace {

struct ElementInfo {
  ElementType type;
  const char* name;
  std::size_t bytes;
  ScalarType dtype;
};

constexpr std::array<ElementInfo, kElementTypes> kInfo{{{ElementType::Bool, "bool", 1, kBool},
                                                        {ElementType::UInt8, "uint8", 1, kUInt8},
                                                        {ElementType::Int8, "int8", 1, kInt32},
                                                        {ElementType::UInt16, "uint16", 2, kInt32},
                                                        {ElementType::Int16, "int16", 2, kInt32},
                                                        {ElementType::UInt32, "uint32", 4, kInt64},
                                                        {ElementType::Int32, "int32", 4, kInt32},
                                                        {ElementType::UInt64, "uint64", 8, kInt64},
                                                        {ElementType::Int64, "int64", 8, kInt64},
                                                        {ElementType::Float16, "float16", 2, kFloat32},
                                                        {ElementType::BFloat16, "bfloat16", 2, kBFloat16},
                                                        {ElementType::Float32, "float32", 4, kFloat32},
                                                        {ElementType::Float64, "float64", 8, kFloat64}}};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kInfo.size(); ++i) {
    if (kInfo[i].type != static_cast<ElementType>(i)) return false;
  }
  return true;
}
static_assert(is_in_order(), "the table is looked up by the number of the type");

const ElementInfo& info(ElementType type) { return kInfo[static_cast<std::size_t>(type)]; }

/// float16 as it lies in a file.
struct Half {
  std::uint16_t bits;
};

template <std::size_t Bytes>
using UnsignedOf = std::conditional_t<
    Bytes == 1, std::uint8_t,
    std::conditional_t<Bytes == 2, std::uint16_t, std::conditional_t<Bytes == 4, std::uint32_t, std::uint64_t>>>;

template <class Stored>
Stored load(const std::byte* at, ByteOrder order) {
  using Bits = UnsignedOf<sizeof(Stored)>;
  Bits bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  if (order == ByteOrder::Big) {
    Bits swapped = 0;
    for (std::size_t i = 0; i < sizeof bits; ++i) {
      swapped = static_cast<Bits>(swapped | (bits >> 8 * i & 0xff) << 8 * (sizeof bits - 1 - i));
    }
    bits = swapped;
  }
  return std::bit_cast<Stored>(bits);
}

template <class Stored, class Element>
void decode(std::span<const std::byte> from, ByteOrder order, Element* to, std::string_view where) {
  const std::size_t count = from.size() / sizeof(Stored);
  if constexpr (std::is_same_v<Stored, Element>) {
    if (order == ByteOrder::Little || sizeof(Stored) == 1) {
      if (count > 0) std::memcpy(to, from.data(), count * sizeof(Stored));
      return;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = load<Stored>(from.data() + i * sizeof(Stored), order);
    if constexpr (std::is_same_v<Stored, Half>) {
      to[i] = detail::float_of_half(value.bits);
    } else {
      if constexpr (std::is_same_v<Stored, std::uint64_t>) {
        check(value <= std::numeric_limits<std::int64_t>::max(), where, ": element ", value,
              " of type uint64: need less than 2^63");
      }
      to[i] = static_cast<Element>(value);
    }
  }
}

// A file may have any byte where C++ knows but two.
void decode_truth(std::span<const std::byte> from, bool* to, std::string_view where) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    const auto value = std::to_integer<unsigned>(from[i]);
    check(value <= 1, where, ": a truth value of ", value, ": need 0 or 1");
    to[i] = value != 0;
  }
}

template <class Stored, class Element>
void encode(const Element* from, std::size_t count, std::byte* to) {
  for (std::size_t i = 0; i < count; ++i) {
    Stored value{};
    if constexpr (std::is_same_v<Stored, Half>) {
      // From double in one step: two roundings could give another neighbour.
      value.bits = detail::half_of_double(static_cast<double>(from[i]));
    } else {
      value = static_cast<Stored>(from[i]);
    }
    std::memcpy(to + i * sizeof value, &value, sizeof value);
  }
}

template <class Element>
void encode_as(ElementType type, const Element* from, std::size_t count, std::byte* to) {
  switch (type) {
    case ElementType::Float16:
      return encode<Half>(from, count, to);
    case ElementType::BFloat16:
      return encode<BFloat16>(from, count, to);
    case ElementType::Float32:
      return encode<float>(from, count, to);
    case ElementType::Float64:
      return encode<double>(from, count, to);
    default:
      fail("tensor: floating point as ", type, ": need float16, bfloat16, float32 or float64");
  }
}

}  // namespace

std::size_t element_size(ElementType type) { return info(type).bytes; }
ScalarType dtype_of_elements(ElementType type) { return info(type).dtype; }
bool is_floating_point(ElementType type) { return type >= ElementType::Float16; }
const char* name(ElementType type) { return info(type).name; }
std::ostream& operator<<(std::ostream& out, ElementType type) { return out << name(type); }

ElementType elements_of_dtype(ScalarType dtype) {
  switch (dtype) {
    case kBool:
      return ElementType::Bool;
    case kUInt8:
      return ElementType::UInt8;
    case kInt32:
      return ElementType::Int32;
    case kInt64:
      return ElementType::Int64;
    case kBFloat16:
      return ElementType::BFloat16;
    case kFloat32:
      return ElementType::Float32;
    case kFloat64:
      break;
  }
  return ElementType::Float64;
}

ElementType stored_elements(const Tensor& x, std::optional<ElementType> floating_point) {
  return floating_point && x.is_floating_point() ? *floating_point : elements_of_dtype(x.scalar_type());
}

void decode_elements(ElementType type, ByteOrder order, std::span<const std::byte> from, const Tensor& to,
                     std::int64_t first, std::string_view where) {
  const auto into = [&](auto zero) { return to.mutable_data_ptr<decltype(zero)>() + first; };
  switch (type) {
    case ElementType::Bool:
      return decode_truth(from, into(bool{}), where);
    case ElementType::UInt8:
      return decode<std::uint8_t>(from, order, into(std::uint8_t{}), where);
    case ElementType::Int8:
      return decode<std::int8_t>(from, order, into(std::int32_t{}), where);
    case ElementType::UInt16:
      return decode<std::uint16_t>(from, order, into(std::int32_t{}), where);
    case ElementType::Int16:
      return decode<std::int16_t>(from, order, into(std::int32_t{}), where);
    case ElementType::UInt32:
      return decode<std::uint32_t>(from, order, into(std::int64_t{}), where);
    case ElementType::Int32:
      return decode<std::int32_t>(from, order, into(std::int32_t{}), where);
    case ElementType::UInt64:
      return decode<std::uint64_t>(from, order, into(std::int64_t{}), where);
    case ElementType::Int64:
      return decode<std::int64_t>(from, order, into(std::int64_t{}), where);
    case ElementType::Float16:
      return decode<Half>(from, order, into(float{}), where);
    case ElementType::BFloat16:
      return decode<BFloat16>(from, order, into(BFloat16{}), where);
    case ElementType::Float32:
      return decode<float>(from, order, into(float{}), where);
    case ElementType::Float64:
      return decode<double>(from, order, into(double{}), where);
  }
}

EncodedElements::EncodedElements(const Tensor& x, ElementType type) : x_(x) {
  if (!x.is_contiguous()) copy_ = detail::row_major_bytes(x);
  const auto* data = x.is_contiguous() ? static_cast<const std::byte*>(x.const_data_ptr()) : copy_.data();
  bytes_ = {data, x.nbytes()};
  if (type == elements_of_dtype(x.scalar_type())) return;
  const auto count = static_cast<std::size_t>(x.numel());
  std::vector<std::byte> encoded(count * element_size(type));
  if (x.scalar_type() == kBFloat16) {
    encode_as(type, reinterpret_cast<const BFloat16*>(data), count, encoded.data());
  } else {
    dispatch_floating(x.scalar_type(), "tensor", [&](auto zero) {
      encode_as(type, reinterpret_cast<const decltype(zero)*>(data), count, encoded.data());
    });
  }
  copy_ = std::move(encoded);
  bytes_ = copy_;
}

}  // namespace backflow::io
