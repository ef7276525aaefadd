#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <backflow/exchange/element_type.h>
#include <backflow/exchange/input_file.h>
#include <backflow/io/dump.h>

namespace backflow::io::detail {

inline constexpr std::int64_t kDumpFormat = 3;  // the one that is written, and the newest that is known

enum class Digest { Verified, Absent };
/// Compares a file of format 1 or 2 with the digest in its user block. Throws Error when the file cannot be read or
/// does not match.
Digest verify_digest(const InputFile& file);

/// Whether a group is written even when it has no tensor.
constexpr bool is_always_written(const DumpGroup& group) {
  return group.tensors != &Dump::trained && group.tensors != &Dump::loop;
}

/// A tensor of a dump, with the checksum that its file states, if any, and the one it has.
struct DumpEntry {
  std::string group;
  std::string name;
  ElementType type;  // of the elements in the file
  Tensor value;
  std::optional<std::int64_t> stated_checksum;
  std::uint32_t checksum = 0;
  bool is_intact() const { return !stated_checksum || *stated_checksum == checksum; }
};

/// All that is in the file; `info` has no tensors. Wrong checksums are the caller's business, a wrong digest is an
/// Error.
struct RawDump {
  Digest digest = Digest::Absent;
  std::int64_t format_version = 0;  // 0 for a file that states none
  std::vector<DumpEntry> entries;
  Dump info;
};
RawDump read_raw_dump(const std::string& path);

}  // namespace backflow::io::detail
