#include <array>
#include <utility>

#include <backflow/exchange/torch/pickle_internal.h>
#include <backflow/exchange/torch/torch_names_internal.h>

namespace backflow::io::detail {
namespace {

constexpr std::size_t kMostTensors = 200'000;

const char* kind_name(PickleValue::Kind kind) {
  constexpr std::array<const char*, 12> kNames{"None",         "a truth value", "an integer", "a large integer",
                                               "a float",      "text",          "a tuple",    "a list",
                                               "a dictionary", "a name",        "a storage",  "a tensor"};
  return kNames[static_cast<std::size_t>(kind)];
}

// That every element of the view lies in its storage, and that it is not larger than that.
bool is_inside(const PickleTensor& x, std::int64_t storage_numel) {
  std::int64_t numel = 1;
  std::int64_t last = x.offset;
  for (std::size_t d = 0; d < x.sizes.size(); ++d) {
    if (x.sizes[d] < 0 || x.strides[d] < 0) return false;
    if (x.sizes[d] == 0) numel = 0;
  }
  if (numel == 0) return x.offset >= 0 && x.offset <= storage_numel;
  for (std::size_t d = 0; d < x.sizes.size(); ++d) {
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(numel, x.sizes[d], &numel) ||
        __builtin_mul_overflow(x.sizes[d] - 1, x.strides[d], &reach) || __builtin_add_overflow(last, reach, &last)) {
      return false;
    }
  }
  return x.offset >= 0 && last < storage_numel && numel <= storage_numel;
}

}  // namespace

void Unpickler::push_global(const std::string& name) {
  const bool known = name == kOrderedDict || name == kRebuildTensor || name == kRebuildParameter ||
                     is_torch_script_list(name) || name.starts_with(kTorchScriptClasses) ||
                     type_of_torch_storage(name).has_value();
  if (!known) fail_here("the name '" + name + "' is not allowed, since calling it could run code");
  push({Kind::Global, 0, 0.0, name, {}});
}

const PickleValue& Unpickler::argument(const std::vector<PickleRef>& arguments, std::size_t i, Kind kind) const {
  const Kind found = pickle_[arguments[i]].kind;
  if (found != kind) {
    fail_here(to_text("argument ", i, " is ", kind_name(found), ", which should be ", kind_name(kind)));
  }
  return pickle_[arguments[i]];
}

void Unpickler::call() {
  const PickleRef tuple = pop();
  const PickleRef function = pop();
  if (pickle_[tuple].kind != Kind::Tuple || pickle_[function].kind != Kind::Global) fail_here("a call of no function");
  const std::vector<PickleRef> arguments = pickle_[tuple].items;
  const std::string& name = pickle_[function].text;
  if (name == kOrderedDict && arguments.empty()) {
    push({Kind::Dict, 0, 0.0, {}, {}});
  } else if (name == kRebuildTensor && (arguments.size() == 6 || arguments.size() == 7)) {
    rebuild_tensor(arguments);
  } else if (name == kRebuildParameter && arguments.size() == 3) {
    const auto index = static_cast<std::size_t>(argument(arguments, 0, Kind::Tensor).integer);
    pickle_.tensors[index].requires_grad = argument(arguments, 1, Kind::Bool).integer != 0;
    stack_.push_back(arguments[0]);
  } else if (is_torch_script_list(name) && !arguments.empty() && arguments.size() <= 2) {
    stack_.push_back(arguments[0]);  // the list or dictionary; a type's name may follow
  } else {
    fail_here(to_text("a call of '", name, "' with ", arguments.size(), " arguments is not allowed"));
  }
}

void Unpickler::make_object() {
  const PickleRef tuple = pop();
  const PickleRef type = pop();
  const bool allowed = pickle_[tuple].kind == Kind::Tuple && pickle_[tuple].items.empty() &&
                       pickle_[type].kind == Kind::Global && pickle_[type].text.starts_with(kTorchScriptClasses);
  if (!allowed) fail_here("a new object of what is no class of TorchScript");
  push({Kind::Dict, 0, 0.0, {}, {}, true});
}

// An OrderedDict's own attributes, which hold versions of modules (state_dict()._metadata), are left out.
void Unpickler::build() {
  const PickleRef state = pop();
  PickleValue& target = pickle_.values[top()];
  const bool allowed = target.kind == Kind::Dict && pickle_[state].kind == Kind::Dict && state != top();
  if (!allowed) fail_here("attributes of what is no OrderedDict");
  if (target.is_object) {
    if (!target.items.empty()) fail_here("attributes of an object that has some");
    target.items = std::exchange(pickle_.values[state].items, {});  // a copy for each object could fill memory
  }
}

// ('storage', torch.FloatStorage, '0', 'cpu', 12); old files have a sixth value, of a view, which is None.
void Unpickler::refer_to_storage() {
  const PickleRef id = pop();
  const std::vector<PickleRef> parts = pickle_[id].items;
  const bool shaped = pickle_[id].kind == Kind::Tuple && (parts.size() == 5 || parts.size() == 6);
  if (!shaped || argument(parts, 0, Kind::Text).text != "storage") fail_here("a reference to no storage");
  if (parts.size() == 6) argument(parts, 5, Kind::None);
  const std::optional<ElementType> type = type_of_torch_storage(argument(parts, 1, Kind::Global).text);
  PickleStorage storage{type.value_or(ElementType::Float32), argument(parts, 2, Kind::Text).text,
                        argument(parts, 4, Kind::Int).integer};
  if (!type || storage.numel < 0) fail_here("a reference to a storage without a type or size");
  const auto [found, is_new] = storages_.emplace(storage.key, pickle_.storages.size());
  if (is_new) {
    pickle_.storages.push_back(std::move(storage));
  } else {
    const PickleStorage& same = pickle_.storages[found->second];
    if (same.type != storage.type || same.numel != storage.numel) {
      fail_here("two descriptions of the storage '" + storage.key + "'");
    }
  }
  push({Kind::Storage, static_cast<std::int64_t>(found->second), 0.0, {}, {}});
}

DimVector Unpickler::dimensions(const PickleValue& value) const {
  if (value.items.size() > kMaxDims) fail_here(to_text("a tensor of more than ", kMaxDims, " dimensions"));
  DimVector result;
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    result.push_back(argument(value.items, i, Kind::Int).integer);
  }
  return result;
}

// _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, backward_hooks[, metadata])
void Unpickler::rebuild_tensor(const std::vector<PickleRef>& arguments) {
  if (pickle_.tensors.size() >= kMostTensors) fail_here(to_text("more than ", kMostTensors, " tensors"));
  const bool requires_grad = argument(arguments, 4, Kind::Bool).integer != 0;
  PickleTensor x{static_cast<std::size_t>(argument(arguments, 0, Kind::Storage).integer),
                 argument(arguments, 1, Kind::Int).integer, dimensions(argument(arguments, 2, Kind::Tuple)),
                 dimensions(argument(arguments, 3, Kind::Tuple)), requires_grad};
  const std::int64_t numel = pickle_.storages[x.storage].numel;
  if (x.sizes.size() != x.strides.size() || !is_inside(x, numel)) {
    fail_here(to_text("a tensor of sizes ", x.sizes, ", strides ", x.strides, " and offset ", x.offset,
                      " leaves its storage of ", numel, " elements"));
  }
  pickle_.tensors.push_back(x);
  push({Kind::Tensor, static_cast<std::int64_t>(pickle_.tensors.size() - 1), 0.0, {}, {}});
}

}  // namespace backflow::io::detail
