#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include <backflow/exchange/input_file.h>
#include <backflow/exchange/tensor_format.h>

namespace backflow::io {

/// Reads a file of the format safetensors (github.com/huggingface/safetensors): tensors and metadata in the order of
/// its header. Throws Error for a header that is no such JSON or longer than 100 MB, names that repeat, dtypes without
/// a counterpart (the 8-bit floats), and data that overlap, leave gaps, or do not fit shapes or file.
///
/// With Access::Mapped a tensor whose dtype is stored as it is, and aligned, shows the file's own pages: reading costs
/// nothing until elements are used. Changing it changes no file. The file must not be shortened in place while the
/// tensors live; replacing it by a rename, as all writers here do, is harmless. Thread-safe.
TensorFile read_safetensors(const InputFile& file, Access access = Access::Copy);

/// Writes such a file, atomically. The names' order is kept. Data start at multiples of 64 bytes, large element types
/// first, so every tensor is aligned. Metadata get {"format": "pt"} unless they have a format, since the library
/// transformers asks for it. Throws Error as write_tensors(), and for text that is no UTF-8.
void write_safetensors(const std::string& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       std::optional<ElementType> floating_point = {});
/// Hands the bytes of such a file to `write`, from first to last. `where` stands for the path in messages.
using WriteBytes = std::function<void(const void* data, std::size_t bytes)>;
void write_safetensors(const WriteBytes& write, const std::string& where, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       std::optional<ElementType> floating_point = {});

}  // namespace backflow::io
