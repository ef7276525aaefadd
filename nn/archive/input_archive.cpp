#include <backflow/nn/archive/input_archive.h>

#include <unordered_set>

#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::serialize {

InputArchive::InputArchive() : InputArchive(Contents{}) {}

InputArchive::InputArchive(Contents contents) {
  auto shared = std::make_shared<Shared>();
  shared->contents = std::move(contents);
  for (std::size_t i = 0; i < shared->contents.values.size(); ++i) {
    shared->places.emplace(shared->contents.values[i].first, i);
  }
  shared_ = std::move(shared);
}

const IValue* InputArchive::find(const std::string& key) const {
  const auto place = shared_->places.find(prefix_ + key);
  return place == shared_->places.end() ? nullptr : &shared_->contents.values[place->second].second;
}

bool InputArchive::try_read(const std::string& key, IValue& ivalue) {
  const IValue* const found = find(key);
  if (found == nullptr) {
    return false;
  }
  ivalue = *found;
  return true;
}

bool InputArchive::try_read(const std::string& key, Tensor& tensor, bool) {
  const IValue* const found = find(key);
  if (found == nullptr || found->isString()) {
    return false;
  }
  const Tensor value = tensor_of(*found);
  if (!tensor.defined()) {
    tensor = value;
    return true;
  }
  const NoGradGuard no_grad;
  if (value.sizes() == tensor.sizes() && value.scalar_type() == tensor.scalar_type()) {
    tensor.copy_(value.detach());
  } else {
    tensor.set_data(value.detach().clone());
  }
  return true;
}

bool InputArchive::try_read(const std::string& key, InputArchive& archive) {
  const std::string prefix = prefix_ + key + ".";
  const auto begins = [&](const auto& names, const auto& name_of) {
    const auto next = names.lower_bound(prefix);
    return next != names.end() && name_of(*next).starts_with(prefix);
  };
  const std::set<std::string>& empty = shared_->contents.empty;
  const bool is_there = begins(shared_->places, [](const auto& item) -> const std::string& { return item.first; }) ||
                        begins(empty, [](const std::string& name) -> const std::string& { return name; }) ||
                        empty.contains(prefix_ + key);
  if (is_there) {
    archive.shared_ = shared_;
    archive.prefix_ = prefix;
    archive.pending_ = pending_;
  }
  return is_there;
}

InputArchive InputArchive::here() const {
  InputArchive same;
  same.shared_ = shared_;
  same.prefix_ = prefix_;
  same.pending_ = pending_;
  return same;
}

void InputArchive::fail_missing(const std::string& key, const char* needed) const {
  constexpr std::size_t kMost = 20;
  const std::vector<std::string> known = keys();
  std::string list;
  for (std::size_t i = 0; i < known.size() && i < kMost; ++i) {
    list += (i == 0 ? "'" : ", '") + known[i] + "'";
  }
  fail(where(), ": no ", needed, " '", key, "': need one of ",
       known.empty() ? "its names, of which there are none" : list,
       known.size() > kMost ? to_text(" and ", known.size() - kMost, " more") : "");
}

void InputArchive::read(const std::string& key, IValue& ivalue) {
  if (!try_read(key, ivalue)) {
    fail_missing(key, "value");
  }
}

void InputArchive::read(const std::string& key, Tensor& tensor, bool is_buffer) {
  if (!try_read(key, tensor, is_buffer)) {
    fail_missing(key, "tensor");
  }
}

void InputArchive::read(const std::string& key, InputArchive& archive) {
  if (!try_read(key, archive)) {
    fail_missing(key, "archive");
  }
}

std::vector<std::string> InputArchive::keys() const {
  std::vector<std::string> out;
  std::unordered_set<std::string> seen;
  const auto add = [&](const std::string& name) {
    if (name.starts_with(prefix_)) {
      const std::string rest = name.substr(prefix_.size());
      const std::string key = rest.substr(0, rest.find('.'));
      if (seen.insert(key).second) {
        out.push_back(key);
      }
    }
  };
  for (const auto& item : shared_->contents.values) {
    add(item.first);
  }
  for (const std::string& name : shared_->contents.empty) {
    add(name);
  }
  return out;
}

std::vector<std::pair<std::string, IValue>> InputArchive::values() const {
  std::vector<std::pair<std::string, IValue>> out;
  for (const auto& [name, value] : shared_->contents.values) {
    if (name.starts_with(prefix_)) {
      out.emplace_back(name.substr(prefix_.size()), value);
    }
  }
  return out;
}

std::string InputArchive::where() const {
  const std::string source = shared_->contents.source.empty() ? "archive" : shared_->contents.source;
  return prefix_.empty() ? source : source + ": '" + prefix_.substr(0, prefix_.size() - 1) + "'";
}

}  // namespace backflow::serialize
