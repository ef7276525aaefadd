#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <backflow/io/dump.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::train {

/// A number that differs, but for one chance in 2^64, when one of the bytes does. It is no defence against somebody who
/// wants two to be equal. The same on any number of threads, which all take part.
std::uint64_t digest_of(std::span<const std::byte> bytes);

/// Of a tensor's elements; it may be strided.
std::uint64_t digest_of_tensor(const Tensor& x);

/// Of two digests, in their order.
std::uint64_t combined_digest(std::uint64_t first, std::uint64_t second);
/// "0f3a...": sixteen digits.
std::string hexadecimal_digest(std::uint64_t digest);

/// Which file this program is: "15351232 bytes, digest 0f3a..."; empty when it cannot be read.
std::string describe_program();
/// Which dump it is: "step 938, epoch 1, digest 0f3a...", of parameters, buffers and optimizer state, names included.
std::string describe_dump(const io::Dump& dump);

}  // namespace backflow::train
