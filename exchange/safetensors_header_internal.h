#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <backflow/exchange/element_type.h>

namespace backflow::io::detail {

/// What the header says of a tensor.
struct SafetensorsEntry {
  std::string name;
  ElementType type = ElementType::Float32;
  DimVector sizes;
  std::uint64_t begin = 0;  ///< of its data, counted from the end of the header
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

/// Reads the JSON of a header and checks that the entries cover `data_bytes` bytes without overlaps or gaps. Throws
/// Error, which `path` starts.
SafetensorsHeader parse_safetensors_header(const std::string& json, std::uint64_t data_bytes, const std::string& path);

/// The JSON of a header. Throws Error for text that is no UTF-8.
std::string safetensors_header_text(const SafetensorsHeader& header, const std::string& path);

}  // namespace backflow::io::detail
