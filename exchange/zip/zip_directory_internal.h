#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/exchange/zip/zip.h>

namespace backflow::io::detail {

/// Where the directory of an archive lies.
struct ZipDirectory {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
};

/// Finds the directory by the record at the end of the file. Throws Error when there is none that fits the file.
ZipDirectory find_zip_directory(const InputFile& file);

/// The entries of the directory, compared with their local headers; see ZipReader.
std::vector<ZipEntry> read_zip_directory(const InputFile& file);

}  // namespace backflow::io::detail
