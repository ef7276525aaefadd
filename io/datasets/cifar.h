#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

/// Pictures and their classes.
struct LabelledImages {
  Tensor images;  ///< uint8 [n, channels, height, width]
  Tensor labels;  ///< int64 [n]
};

enum class CifarLabels {
  Ten,     ///< CIFAR-10: a byte from 0 to 9 in front of each picture
  Fine,    ///< CIFAR-100: the second of two bytes, from 0 to 99
  Coarse,  ///< CIFAR-100: the first of two bytes, from 0 to 19
};

/// Reads files of the binary version of CIFAR-10 or CIFAR-100 one after the other, plain or compressed with gzip:
/// pictures [n, 3, 32, 32]. Throws Error that names file and record for one that is cut off, a label that is no class,
/// files with no record, and for more than `most_bytes` of pictures. Thread-safe. Format:
/// https://www.cs.toronto.edu/~kriz/cifar.html
LabelledImages read_cifar(const std::vector<std::string>& paths, CifarLabels labels, std::uint64_t most_bytes);
/// The labels of such files alone, int64 [n], after the same checks. No picture is kept.
Tensor read_cifar_labels(const std::vector<std::string>& paths, CifarLabels labels, std::uint64_t most_bytes);

}  // namespace backflow::io
