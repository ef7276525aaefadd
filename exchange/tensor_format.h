#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <backflow/exchange/element_type.h>
#include <backflow/exchange/input_file.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

/// Tensors under the names that PyTorch's state_dict gives them, as "layers.0.weight".
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// The formats of tensors with names.
enum class TensorFormat : std::uint8_t {
  Hdf5,         ///< .h5, .hdf5: a dump of ours, or a file of that layout
  Safetensors,  ///< .safetensors
  Npz,          ///< .npz: NumPy's archive
  Npy,          ///< .npy: one array of NumPy
  Torch,        ///< .pt, .pth: PyTorch's state dictionary
};

/// "safetensors", for messages.
std::string_view name(TensorFormat format);
/// By the name's extension. Throws Error that lists the extensions for any other.
TensorFormat format_of_name(const std::string& path);
/// Whether the name has such an extension.
bool has_format_of_name(const std::string& path);
/// By the first bytes of a file, and where several formats share them, by its extension. Throws Error when the bytes
/// are of none, or contradict the extension; it says what the file seems to be.
TensorFormat format_of_file(const std::string& path);
/// The same of a file that is open, or of bytes in memory.
TensorFormat format_of_file(const InputFile& file);

/// What a file holds.
struct TensorFile {
  NamedTensors tensors;
  std::vector<ElementType> types;               ///< what each of them is stored as
  std::map<std::string, std::string> metadata;  ///< text by key, as far as the format has any
  std::set<std::string> numbers = {};           ///< of the tensors those that are numbers; of read_torch_values() alone
  std::set<std::string> requires_grad = {};     ///< of the tensors of a .pt file
};

enum class Access : std::uint8_t {
  Copy,    ///< the tensors own their memory
  Mapped,  ///< where the format allows it, tensors show the file's own pages; see read_safetensors()
};

struct ReadOptions {
  /// Of a .pt file that holds several dictionaries: the one to read, as "model" or "state.model".
  std::string key = {};
  Access access = Access::Copy;
};

struct WriteOptions {
  /// How floating-point tensors are stored; each in its own dtype unless given.
  std::optional<ElementType> floating_point;
};

/// Reads a file of any format but HDF5, for which it throws Error. io/tensor_file.h reads all, and says the rest.
TensorFile read_without_hdf5(const InputFile& file, const ReadOptions& options = {});
/// Writes a file of any format but HDF5, likewise.
void write_without_hdf5(const std::string& path, const NamedTensors& tensors,
                        const std::map<std::string, std::string>& metadata = {}, const WriteOptions& options = {});

}  // namespace backflow::io
