#include <backflow/nn/archive/output_archive.h>

namespace backflow::serialize {

void OutputArchive::write(const std::string& key, const IValue& value) {
  check(!key.empty(), "archive: a value without a name: need one");
  check(!value.isNone(), "archive: '", key, "' is nothing: need a value");
  check(!value.isTensor() || value.toTensor().defined(), "archive: tensor '", key,
        "' is undefined: need one with a value");
  check(!value.isIntList() && !value.isDoubleList() && !value.isTensorList(), "archive: '", key,
        "' is a list: need a tensor, a number, a bool or a text for each of its elements");
  const auto [place, is_new] = places_.emplace(key, contents_.values.size());
  if (is_new) {
    contents_.values.emplace_back(key, value);
  } else {
    contents_.values[place->second].second = value;
  }
}

void OutputArchive::write(const std::string& key, const Tensor& tensor, bool) { write(key, IValue(tensor)); }

void OutputArchive::write(const std::string& key, OutputArchive& nested_output_archive) {
  check(!key.empty(), "archive: an archive without a name: need one");
  const Contents& nested = nested_output_archive.contents_;
  for (const auto& [name, value] : nested.values) {
    write(key + "." + name, value);
  }
  for (const std::string& name : nested.empty) {
    contents_.empty.insert(key + "." + name);
  }
  if (nested.values.empty() && nested.empty.empty()) {
    contents_.empty.insert(key);
  }
}

}  // namespace backflow::serialize
