#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace backflow::io {

/// The contents of a dump as readable text: a line on the file, its versions, and a table of its tensors. For each
/// tensor it has name, dtype, shape, smallest and largest element, mean and checksum ("ok", "WRONG", or "none" if the
/// file has none). NaN elements are left out of the figures and counted. Throws Error as read_dump(), but not for a
/// wrong checksum. Thread-safe.
std::string inspect_dump(const std::string& path);

/// One difference between two dumps.
struct DumpDifference {
  std::string name;             ///< "/parameters/0.weight"
  std::string problem;          ///< "only in a.h5", "dtypes float32 and float64", "shapes [2] and [3]", "values"
  std::int64_t elements = 0;    ///< for values: how many have different bits
  double max_difference = 0.0;  ///< for values: the largest |a - b|; NaN if one of the two is NaN somewhere

  /// "/parameters/0.weight: 3 elements differ, by at most 0.001".
  std::string text() const;
};

/// Compares the names, dtypes, shapes and bits of all parameters and buffers of two dumps; nothing when they are equal.
/// The optimizer's state, step, epoch and config are left out. 0.0 and -0.0 differ; NaNs of the same bits are equal.
/// Throws Error as read_dump(). Thread-safe.
std::vector<DumpDifference> diff_dumps(const std::string& a, const std::string& b);

}  // namespace backflow::io
