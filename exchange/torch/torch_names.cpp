#include <algorithm>
#include <array>
#include <utility>

#include <backflow/exchange/torch/torch_names_internal.h>

namespace backflow::io::detail {
namespace {

constexpr std::array<std::pair<std::string_view, ElementType>, 10> kStorages{
    {{"BoolStorage", ElementType::Bool},
     {"ByteStorage", ElementType::UInt8},
     {"CharStorage", ElementType::Int8},
     {"ShortStorage", ElementType::Int16},
     {"IntStorage", ElementType::Int32},
     {"LongStorage", ElementType::Int64},
     {"HalfStorage", ElementType::Float16},
     {"BFloat16Storage", ElementType::BFloat16},
     {"FloatStorage", ElementType::Float32},
     {"DoubleStorage", ElementType::Float64}}};
constexpr std::string_view kModule = "torch.";

constexpr std::array<std::string_view, 5> kLists{"build_intlist", "build_tensorlist", "build_doublelist",
                                                 "build_boollist", "restore_type_tag"};
constexpr std::string_view kListModule = "torch.jit._pickle.";

}  // namespace

bool is_torch_script_list(std::string_view name) {
  if (!name.starts_with(kListModule)) return false;
  name.remove_prefix(kListModule.size());
  return std::find(kLists.begin(), kLists.end(), name) != kLists.end();
}

std::optional<ElementType> type_of_torch_storage(std::string_view name) {
  if (!name.starts_with(kModule)) return {};
  name.remove_prefix(kModule.size());
  for (const auto& [known, type] : kStorages) {
    if (known == name) return type;
  }
  return {};
}

std::string_view torch_storage_name(ElementType type) {
  for (const auto& [name, known] : kStorages) {
    if (known == type) return name;
  }
  fail("PyTorch has no storage of ", type, ": need another dtype");
}

}  // namespace backflow::io::detail
