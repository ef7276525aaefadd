#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <backflow/exchange/element_type.h>

namespace backflow::io::detail {

/// Names of Python that the pickle of a state dictionary calls.
inline constexpr std::string_view kOrderedDict = "collections.OrderedDict";
inline constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
inline constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
/// What the names of TorchScript's classes start with: those of torch.jit.save() and of libtorch's torch::save().
inline constexpr std::string_view kTorchScriptClasses = "__torch__.";

/// The entry of our metadata in an archive, as JSON. PyTorch ignores it.
inline constexpr std::string_view kTorchMetadata = "extra/backflow_metadata";
/// What files of torch.save() before PyTorch 1.6 start with: the pickle of a magic number.
inline constexpr std::string_view kOldTorchMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);

/// Whether it is a call of TorchScript that gives its first argument a type: "torch.jit._pickle.build_intlist".
bool is_torch_script_list(std::string_view name);
/// The elements of a storage class: "torch.FloatStorage". PyTorch has none for uint16, uint32 and uint64.
std::optional<ElementType> type_of_torch_storage(std::string_view name);
/// The other way: "FloatStorage".
std::string_view torch_storage_name(ElementType type);

}  // namespace backflow::io::detail
