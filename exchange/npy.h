#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/exchange/byte_stream.h>
#include <backflow/exchange/element_type.h>
#include <backflow/exchange/tensor_format.h>

namespace backflow::io {

enum class MemoryOrder : std::uint8_t { RowMajor, ColumnMajor };

/// What the header of a .npy file says, versions 1 to 3 ("numpy.lib.format").
struct NpyHeader {
  ElementType type = ElementType::Float32;
  ByteOrder byte_order = ByteOrder::Little;
  MemoryOrder order = MemoryOrder::RowMajor;
  DimVector sizes;

  std::int64_t numel() const { return numel_of(sizes); }
  std::uint64_t data_bytes() const { return static_cast<std::uint64_t>(numel()) * element_size(type); }
  /// The dtype of the tensor that the array becomes; see ElementType.
  ScalarType dtype() const { return dtype_of_elements(type); }
};

/// Reads the header of an array and leaves the stream at its data. The stream must hold exactly the header and the data
/// that it declares. Throws Error otherwise, and for arrays of objects (which NumPy would unpickle), structures, text,
/// dates and complex numbers, by name.
NpyHeader read_npy_header(ByteStream& stream);

/// The whole array as a row-major tensor, whatever its byte and memory order. Throws Error as read_npy_header(). Memory
/// is asked for after the sizes were compared with those of the file.
Tensor read_npy(ByteStream& stream);
/// The rest of it, when the header has been read.
Tensor read_npy_data(ByteStream& stream, const NpyHeader& header);
Tensor read_npy(const std::string& path);

/// The header of a .npy file, and of the array `name` of a .npz archive, whatever the size of the data. Throw Error as
/// NpyArray::open().
NpyHeader npy_header(const std::string& path);
NpyHeader npz_header(const std::string& path, const std::string& name);

/// An array in a .npy file or in an archive, of which samples are read as they are needed. A row-major array in a .npy
/// file, or stored uncompressed in a .npz, stays in the file; any other is read into memory at once. Thread-safe.
class NpyArray {
 public:
  /// A .npy file. Throws Error as read_npy().
  static NpyArray open(const std::string& path);
  /// The array `name` of a .npz archive: "x" for x.npy. Throws Error that lists the names when it has no such array.
  static NpyArray open(const std::string& path, const std::string& name);
  ~NpyArray();
  NpyArray(NpyArray&&) noexcept;
  NpyArray& operator=(NpyArray&&) = delete;

  const NpyHeader& header() const;
  /// Elements [first, first + count) of the first dimension, as a row-major tensor. Throws Error unless they exist.
  Tensor rows(std::int64_t first, std::int64_t count) const;
  /// The same, written to `to` from its element `element` on: a row-major tensor of the dtype of the header.
  void read_rows(std::int64_t first, std::int64_t count, const Tensor& to, std::int64_t element) const;

 private:
  struct Body;
  explicit NpyArray(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

/// The names of the arrays in a .npz archive, without ".npy", in its order. Throws Error for a file that is none.
std::vector<std::string> npz_names(const std::string& path);
/// All arrays of a .npz archive (numpy.savez, numpy.savez_compressed). Throws Error as read_npy(), and for entries that
/// are no arrays.
TensorFile read_npz(const InputFile& file);

/// Writes a tensor of any strides as numpy.save would: version 1, row-major, little-endian. NumPy lacks bfloat16: it is
/// written as "V2", two bytes without a meaning, as the package ml_dtypes does, and read_npy() reads those as bfloat16.
/// Floating-point tensors are stored as `floating_point` if it is given. The file is written in full or not at all.
void write_npy(const std::string& path, const Tensor& x, std::optional<ElementType> floating_point = {});
/// Writes an uncompressed archive as numpy.savez would, an array for each name. Throws Error for names that repeat, are
/// empty or contain a NUL.
void write_npz(const std::string& path, const NamedTensors& tensors, std::optional<ElementType> floating_point = {});

}  // namespace backflow::io
