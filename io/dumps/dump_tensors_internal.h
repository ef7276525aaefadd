#pragma once

#include <map>
#include <optional>
#include <string>

#include <backflow/io/tensor_file.h>

namespace backflow::io::detail {

/// The parameters and buffers of a dump as one list in the order of PyTorch's state_dict; step, epoch, configuration
/// and data as metadata. Throws Error as read_dump().
TensorFile read_dump_tensors(const std::string& path);

/// Writes a dump: buffers by their names, metadata of the keys above. Throws Error as write_dump().
void write_dump_tensors(const std::string& path, const NamedTensors& tensors,
                        const std::map<std::string, std::string>& metadata, std::optional<ElementType> floating_point);

}  // namespace backflow::io::detail
