#pragma once

#include <string>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

/// Reads an IDX file, the format of MNIST and Fashion-MNIST, plain or compressed with gzip (told by its content, not by
/// its name). The shape is the file's; unsigned bytes give uint8, signed bytes, 16 and 32 bit integers give int64, and
/// floating-point numbers float32 or float64. A row-major tensor off the tape.
///
/// Throws Error for a file that cannot be read, is no IDX file, or has more or fewer bytes than its header says. Also
/// for damaged compressed data; gzip's checksums are verified. Sizes are compared with the file's before any memory is
/// allocated. Thread-safe. Format: http://yann.lecun.com/exdb/mnist/
Tensor read_idx(const std::string& path);

/// What the header of such a file says.
struct IdxHeader {
  DimVector sizes;
  ScalarType dtype = kUInt8;  ///< of the tensor that read_idx() gives
};

/// Reads the header alone, and compares its sizes with the size of the file: of a compressed one, with the most that it
/// can hold. Throws Error as read_idx() does. Thread-safe.
IdxHeader read_idx_header(const std::string& path);

}  // namespace backflow::io
