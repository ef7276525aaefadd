#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

/// What the elements of a tensor are in a file of safetensors, NumPy or PyTorch. Backflow has fewer dtypes. Those that
/// it lacks become the smallest dtype that holds all their values, so no value changes:
///
///   int8, int16, uint16 -> int32;   uint32 -> int64;   uint64 -> int64 (values from 2^63 on are an Error)
///   float16 -> float32
enum class ElementType : std::uint8_t {
  Bool,
  UInt8,
  Int8,
  UInt16,
  Int16,
  UInt32,
  Int32,
  UInt64,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64
};
inline constexpr std::size_t kElementTypes = 13;

enum class ByteOrder : std::uint8_t { Little, Big };

/// Bytes of one element in the file.
std::size_t element_size(ElementType type);
/// The dtype of the tensor that such elements become.
ScalarType dtype_of_elements(ElementType type);
/// The element type that stores a dtype as it is.
ElementType elements_of_dtype(ScalarType dtype);
bool is_floating_point(ElementType type);
/// As in PyTorch and NumPy: "float16".
const char* name(ElementType type);
/// What a tensor is stored as: its own dtype, or `floating_point` where both are of floating point.
ElementType stored_elements(const Tensor& x, std::optional<ElementType> floating_point);
std::ostream& operator<<(std::ostream& out, ElementType type);

/// Writes the elements in `from` to the row-major tensor `to`, from its element `first` on. Its dtype must be
/// dtype_of_elements(type). `where` starts the message of an Error, which a truth value other than 0 and 1 and a too
/// large uint64 are.
void decode_elements(ElementType type, ByteOrder order, std::span<const std::byte> from, const Tensor& to,
                     std::int64_t first, std::string_view where);

/// The elements of a tensor of any strides, row-major, little-endian and of type `type`. That is the tensor's own type,
/// or, for a floating-point tensor, any floating-point type; numbers are rounded to nearest, ties to even.
class EncodedElements {
 public:
  EncodedElements(const Tensor& x, ElementType type);
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  Tensor x_;
  std::vector<std::byte> copy_;
  std::span<const std::byte> bytes_;
};

}  // namespace backflow::io
