#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/tensor_file.h>

namespace backflow::io {

/// A tensor of a file, and figures of its elements.
struct TensorFigures {
  std::string name;                         ///< in a dump "/parameters/0.weight", elsewhere "0.weight"
  ElementType type = ElementType::Float32;  ///< of the elements in the file
  DimVector sizes;
  std::uint64_t bytes = 0;  ///< of all elements in the file
  std::int64_t nans = 0;
  /// Of the elements that are no NaN; all three are missing when there are none.
  std::optional<double> min, mean, max;
  /// "ok" or "WRONG" where the file has a checksum for the tensor, else "none".
  std::string digest = "none";
};

/// What a file of tensors holds, in any of the formats of TensorFormat.
struct FileFigures {
  std::string path;
  TensorFormat format = TensorFormat::Hdf5;
  std::string digest = "none";      ///< of the whole file: "ok" or "none"; a wrong one is an Error
  std::int64_t format_version = 0;  ///< of a dump, and likewise step, epoch and versions
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  std::map<std::string, std::string> versions;
  std::map<std::string, std::string> metadata;
  std::vector<TensorFigures> tensors;
};

/// Reads a file; for `key` see ReadOptions. Throws Error as read_tensor_file(), but not for a wrong checksum of a
/// tensor in a dump. Thread-safe.
FileFigures inspect_file(const std::string& path, const std::string& key = "");
/// A line on the file, its versions and metadata, and a table of its tensors.
std::string inspection_text(const FileFigures& file);
/// The same as one JSON object, with all metadata in full. Numbers that JSON lacks are "NaN", "Infinity", "-Infinity".
std::string inspection_json(const FileFigures& file);

/// One difference between two files of tensors.
struct TensorDifference {
  std::string name;             ///< "/parameters/0.weight" of two dumps, else "0.weight"
  std::string problem;          ///< "only in a.h5", "dtypes float32 and float64", "shapes [2] and [3]", "values"
  std::int64_t elements = 0;    ///< for values: how many differ
  double max_difference = 0.0;  ///< for values: the largest |a - b|; NaN if one of the two is NaN somewhere

  /// "/parameters/0.weight: 3 elements differ, by at most 0.001".
  std::string text() const;
};

struct DiffOptions {
  /// Without it elements are compared by their bits: 0.0 and -0.0 differ, NaNs of the same bits are equal. With it as
  /// numbers, also where dtypes differ: elements that are at most that far apart, or both NaN, are equal.
  std::optional<double> tolerance;
  std::string key = {};  ///< see ReadOptions; for files of PyTorch alone
};

/// Compares the names, dtypes, shapes and elements of two files of any formats; nothing when they are equal. Of two
/// dumps parameters and buffers are compared. Optimizer's state, step, epoch, config and metadata are left out. Throws
/// Error as read_tensor_file(). Thread-safe.
std::vector<TensorDifference> diff_files(const std::string& a, const std::string& b, const DiffOptions& options = {});
/// As one JSON object: {"equal": false, "differences": [...]}.
std::string differences_json(const std::vector<TensorDifference>& differences);

}  // namespace backflow::io
