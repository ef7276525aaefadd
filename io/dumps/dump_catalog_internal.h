#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <backflow/exchange/element_type.h>
#include <backflow/exchange/input_file.h>
#include <backflow/io/dump.h>

namespace backflow::io::detail {

/// What HDF5 says of a tensor in a file.
struct StoredTensor {
  std::string group;
  std::string name;
  ElementType type = ElementType::Float32;  ///< of the elements in the file
  DimVector sizes;
  std::optional<std::int64_t> stated_checksum = {};
  /// Where the elements lie in the file, if they lie in one piece and as they are in memory. Else HDF5 has to read
  /// them.
  std::optional<std::uint64_t> offset = {};

  /// Of the elements in the file. None when it is 2^63 or more.
  std::optional<std::uint64_t> bytes() const;
};

/// All that a dump holds, but for the elements. The child process that reads a dump's structure sends it to its parent.
struct DumpCatalog {
  std::string head;  ///< the start of the file, by its digest: parent and child must have read one file
  std::int64_t format_version = 0;
  Dump info;  ///< without tensors
  std::vector<StoredTensor> tensors;
};

/// The part of a file that DumpCatalog::head is.
std::string head_of(const InputFile& file);
/// As CBOR (RFC 8949).
std::string encode(const DumpCatalog& catalog);
/// Throws Error, which names `path`, for what encode() does not make. Sizes and offsets are as they came.
DumpCatalog decode_catalog(const std::string& bytes, const std::string& path);

}  // namespace backflow::io::detail
