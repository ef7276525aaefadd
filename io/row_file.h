#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

/// What the rows of a RowFile are.
struct RowLayout {
  std::int64_t rows = 0;
  DimVector row_shape;                    ///< of one row, as [10]; [] for a number
  ScalarType dtype = kFloat32;            ///< float32 or float64
  std::vector<std::string> names = {};    ///< of the numbers of a row; empty: "0", "1" and so on
  std::vector<std::string> classes = {};  ///< with has_class: their names; empty for numbers
  bool has_class = false;                 ///< each row also has a class
};

/// A file that gets its rows piece by piece, so that it may be larger than memory. Written under a temporary name,
/// which commit() changes. By the name of the file:
///
///   .csv  a line of names, then one for each row: the class, if there is one, then the numbers. Numbers have as many
///         digits as their dtype needs.
///   .npy  an array of NumPy, [rows, row_shape...]; without the class
///   .h5   /predictions, [rows, row_shape...], with the attribute "names"; /class, int64 [rows], with "names" of
///   classes
///
/// Not thread-safe. All errors are Error, which names the file.
class RowFile {
 public:
  /// Throws Error for another name.
  static std::unique_ptr<RowFile> create(const std::string& path, const RowLayout& layout);
  /// What is wrong with the name of such a file; empty when it is good.
  static std::string check_name(const std::string& path);
  virtual ~RowFile() = default;
  RowFile(const RowFile&) = delete;
  RowFile& operator=(const RowFile&) = delete;

  /// Adds rows [n, row_shape...] of the layout's dtype, row-major, and n classes where it has some.
  virtual void append(const Tensor& rows, std::span<const std::int64_t> classes) = 0;
  /// To be called after the last row.
  virtual void commit() = 0;

 protected:
  RowFile() = default;
};

}  // namespace backflow::io
