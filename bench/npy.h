#pragma once

// Writes tensors as NumPy's .npy, so that a peer can start from our values.

#include <cstdio>
#include <fstream>
#include <string>

#include <backflow/ops/creation/creation.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tensor/tensor.h>

namespace bench {

/// Format version 1.0: a magic number, the header's length (so that the data starts at a multiple of 64), a Python
/// dictionary, the elements row by row. Float32 and int64; throws Error when the file cannot be written.
inline void write_npy(const std::string& path, const backflow::Tensor& tensor) {
  const backflow::Tensor x = tensor.detach().contiguous();
  std::string shape;
  for (const std::int64_t size : x.sizes()) {
    shape += std::to_string(size) + ",";
  }
  std::string header = std::string("{'descr': '") + (x.scalar_type() == backflow::kInt64 ? "<i8" : "<f4") +
                       "', 'fortran_order': False, 'shape': (" + shape + ")}";
  constexpr std::size_t kPrefix = 10;
  header.append((64 - (kPrefix + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY\x01" << '\0' << static_cast<char>(header.size() % 256) << static_cast<char>(header.size() / 256)
       << header;
  file.write(static_cast<const char*>(x.data_ptr()), static_cast<std::streamsize>(x.nbytes()));
  file.flush();
  backflow::check(file.good(), "write_npy: ", path, ": cannot be written");
}

}  // namespace bench
