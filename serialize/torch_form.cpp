#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/serialize/torch_form_internal.h>

namespace backflow::serialize {
namespace {

using io::TorchDict;
using io::TorchList;
using io::TorchTuple;
using io::TorchValue;

TorchValue as_torch(const IValue& value) {
  if (value.isTensor()) {
    return {value.toTensor()};
  }
  if (value.isDouble()) {
    return {value.toDouble()};
  }
  if (value.isBool()) {
    return {value.toBool()};
  }
  if (value.isInt()) {
    return {value.toInt()};
  }
  return {value.toStringRef()};
}

/// A name's part of a nested value: itself, or what its names continue to.
struct Node {
  const IValue* value = nullptr;
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> children;

  Node& child(const std::string& key) {
    const auto found =
        std::find_if(children.begin(), children.end(), [&](const auto& one) { return one.first == key; });
    return found != children.end() ? *found->second : *children.emplace_back(key, std::make_unique<Node>()).second;
  }
};

/// A key of `state`: a number, as parameters have.
TorchValue parameter_key(const std::string& key) {
  std::int64_t number = 0;
  const char* const end = key.data() + key.size();
  const auto [stopped, error] = std::from_chars(key.data(), end, number);
  return stopped == end && error == std::errc() ? TorchValue{number} : TorchValue{key};
}

/// What the keys of a state_dict are in PyTorch: `state` is a dictionary by parameter number, `betas` a tuple, and the
/// others whose names go on with numbers are lists.
TorchValue nested(const Node& node, const std::string& name) {
  if (node.value != nullptr) {
    // A tensor without dimensions is a number there.
    return as_torch(node.value->isTensor() ? number_in(node.value->toTensor()) : *node.value);
  }
  std::vector<TorchValue> items;
  TorchDict dict;
  const bool by_number = name == "state";
  bool is_list = !by_number && !node.children.empty();
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const auto& [key, child] = node.children[i];
    items.push_back(nested(*child, key));
    is_list = is_list && key == std::to_string(i);
    dict.items.emplace_back(by_number ? parameter_key(key) : TorchValue{key}, items.back());
  }
  if (name == "betas") {
    return {TorchTuple{std::move(items)}};
  }
  return is_list ? TorchValue{TorchList{std::move(items)}} : TorchValue{std::move(dict)};
}

TorchValue nested(const Contents& contents) {
  Node root;
  if (contents.kind == "optimizer") {
    root.child("state");  // also where it is empty
  }
  for (const auto& [name, value] : contents.values) {
    Node* node = &root;
    std::size_t start = 0;
    for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', start)) {
      node = &node->child(name.substr(start, dot - start));
      start = dot + 1;
    }
    node->child(name.substr(start)).value = &value;
  }
  return nested(root, "");
}

}  // namespace

TorchValue torch_form(const Contents& contents) {
  if (contents.kind == "tensor") {
    return as_torch(contents.values.front().second);
  }
  if (contents.kind == "optimizer" || contents.kind == "scheduler") {
    return nested(contents);
  }
  TorchList list;
  TorchDict dict;
  dict.ordered = true;
  for (const auto& [name, value] : contents.values) {
    if (contents.kind == "list") {
      list.items.push_back(as_torch(value));
    } else {
      dict.items.emplace_back(TorchValue{name}, as_torch(value));
    }
  }
  return contents.kind == "list" ? TorchValue{std::move(list)} : TorchValue{std::move(dict)};
}

}  // namespace backflow::serialize
