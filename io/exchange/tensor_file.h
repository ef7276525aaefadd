#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/io/exchange/element_type.h>
#include <backflow/io/exchange/input_file.h>

namespace backflow::io {

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

/// Reads all tensors of a file whose format is told by format_of_file(). Tensors of a dump come as one list, in the
/// order of PyTorch's state_dict: parameters and buffers, module by module; the optimizer's state is left out. The
/// tensor of a .npy file is named as the file, without its extension. Tensors of a .pt file that share a storage share
/// it here too.
///
/// Dtypes that Backflow lacks become wider ones of equal values, see ElementType. Nothing in the file is trusted:
/// sizes, bounds and names are checked before memory is asked for. Throws Error that names the file and, where there is
/// one, the tensor. Thread-safe.
TensorFile read_tensor_file(const std::string& path, const ReadOptions& options = {});
/// The same, tensors alone.
NamedTensors read_tensors(const std::string& path);

struct WriteOptions {
  /// How floating-point tensors are stored; each in its own dtype unless given.
  std::optional<ElementType> floating_point;
};

/// Writes tensors in the format that the name's extension asks for; the file is written in full or not at all (see
/// AtomicFile). Tensors may be strided. In an HDF5 file those named as the buffers of PyTorch's normalization layers
/// (running_mean, running_var, num_batches_tracked) go to /buffers, all others to /parameters. A .npy file takes
/// exactly one tensor, and like .npz no metadata. A .pt file is what torch.load(path, weights_only=True) reads as a
/// state_dict: an OrderedDict of tensors; metadata are left out of it.
///
/// Throws Error for names that repeat or that the format cannot hold, undefined tensors, and files that cannot be
/// written. Thread-safe.
void write_tensors(const std::string& path, const NamedTensors& tensors,
                   const std::map<std::string, std::string>& metadata = {}, const WriteOptions& options = {});

}  // namespace backflow::io
