#pragma once

#include <map>
#include <string>

#include <backflow/exchange/tensor_format.h>

namespace backflow::io {

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
