#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

/// The bytes of a file, plain or compressed with gzip: uint8 [n]. Throws Error when it cannot be read, is empty, or
/// holds more than `most_bytes`. Thread-safe.
Tensor read_bytes(const std::string& path, std::uint64_t most_bytes);

/// The number of these bytes, none of which is kept.
std::int64_t count_bytes(const std::string& path, std::uint64_t most_bytes);

/// The lines of a small text file, as names of classes; no empty ones. Throws Error for more than 1 MiB.
std::vector<std::string> read_lines(const std::string& path);

}  // namespace backflow::io
