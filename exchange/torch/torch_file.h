#pragma once

#include <map>
#include <optional>
#include <string>

#include <backflow/exchange/input_file.h>
#include <backflow/exchange/tensor_format.h>

namespace backflow::io {

/// Reads the tensors that torch.save() has written: a state_dict, or a checkpoint that has some among other things. The
/// formats are the zip archive of PyTorch 1.6 and later, and the older one that is no archive. Nothing in the file can
/// be executed: its pickle may build numbers, text, lists, dictionaries and tensors, and anything else is an Error that
/// names it, as 'posix.system'. A file of torch.save(model) is such an Error, and a TorchScript archive is another.
///
/// With `key`, as "model" or "a.b", the dictionary of that name is read. Without it: the file's own dictionary if it
/// has tensors, else the only one among "state_dict", "model_state_dict", "model" and a few more. An Error lists the
/// dictionaries where that leaves a choice.
///
/// Inner dictionaries and lists count with their keys joined by dots: "state.0.exp_avg". Numbers and texts beside the
/// tensors become metadata: {"epoch": "5"}. Tensors that share a storage share it here too, and keep their strides, so
/// a tensor may not be row-major. Throws Error for data that are too short, damaged, or outside of their storage.
TensorFile read_torch(const InputFile& file, const std::string& key = "");

/// Reads all that torch.save() has written, whatever its form, as an optimizer's state_dict or a list of tensors. Names
/// are joined as above: "state.0.exp_avg", "param_groups.0.betas.1"; what is in no container is "0". Numbers become
/// tensors without dimensions, after the other tensors: bool, int64 or float64. Texts are metadata; None is left out.
/// Throws Error as read_torch().
TensorFile read_torch_values(const InputFile& file);

/// Writes what torch.load(path, weights_only=True) reads as a state_dict: an OrderedDict of tensors, in the zip format.
/// Tensors that are the same elements in the same layout share one storage, as tied weights do. Metadata lie in an
/// entry of their own, which read_torch() reads and PyTorch ignores. Throws Error as write_tensors().
void write_torch(const std::string& path, const NamedTensors& tensors,
                 const std::map<std::string, std::string>& metadata = {},
                 std::optional<ElementType> floating_point = {});

}  // namespace backflow::io
