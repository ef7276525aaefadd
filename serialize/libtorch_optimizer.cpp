#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include <backflow/serialize/libtorch_optimizer_internal.h>

namespace backflow::serialize {
namespace {

constexpr std::string_view kGroup = "param_groups.param_groups/";
constexpr std::string_view kParam = "params/";
constexpr std::string_view kOptions = "options.";
constexpr std::string_view kState = "state.";

/// Removes a prefix; false if the name has another.
bool strip(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) {
    return false;
  }
  name.remove_prefix(prefix.size());
  return true;
}

/// Removes what is in front of the first dot, and returns it.
std::string head(std::string_view& name) {
  const std::string_view first = name.substr(0, name.find('.'));
  name.remove_prefix(std::min(name.size(), first.size() + 1));
  return std::string(first);
}

}  // namespace

bool is_libtorch_optimizer(const InputArchive& archive) {
  for (const auto& [name, value] : archive.values()) {
    if (name.starts_with(kGroup)) {
      return true;
    }
  }
  return false;
}

InputArchive with_pytorch_names(const InputArchive& archive) {
  Contents contents;
  contents.source = archive.where();
  std::unordered_map<std::string, std::int64_t> numbers;  // of parameters, by address
  for (const auto& [full_name, value] : archive.values()) {
    std::string_view name = full_name;
    if (!strip(name, kGroup)) {
      continue;
    }
    const std::string group = "param_groups." + head(name) + ".";
    if (strip(name, kOptions)) {
      contents.values.emplace_back(group + std::string(name), value);
    } else if (strip(name, kParam) && value.isString()) {
      const auto number = static_cast<std::int64_t>(numbers.size());
      numbers.emplace(value.toStringRef(), number);
      contents.values.emplace_back(group + "params." + std::string(name), IValue(number));
    }
  }
  for (const auto& [full_name, value] : archive.values()) {
    std::string_view name = full_name;
    if (strip(name, kState)) {
      const auto found = numbers.find(head(name));
      check(found != numbers.end(), archive.where(), ": '", full_name, "' is of no parameter: need an intact copy");
      contents.values.emplace_back("state." + std::to_string(found->second) + "." + std::string(name), value);
    }
  }
  return InputArchive(std::move(contents));
}

}  // namespace backflow::serialize
