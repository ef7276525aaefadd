#include <set>
#include <sstream>

#include <backflow/serialize/file_contents_internal.h>

namespace backflow::serialize {
namespace {

constexpr const char* kKind = "backflow.kind";
constexpr const char* kNumbers = "backflow.numbers";
constexpr const char* kEmpty = "backflow.empty";
constexpr const char* kRequiresGrad = "backflow.requires_grad";
constexpr std::string_view kOurs = "backflow.";
constexpr std::string_view kText = "backflow.text.";

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.insert(line);
  }
  return lines;
}

std::string text_of(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

Contents decode_values(io::TensorFile& file, std::string source, bool marks_no_numbers = false) {
  Contents contents;
  contents.kind = text_of(file.metadata, kKind);
  contents.empty = lines_of(text_of(file.metadata, kEmpty));
  contents.source = std::move(source);
  const std::set<std::string> numbers = lines_of(text_of(file.metadata, kNumbers));
  std::set<std::string> requires_grad = lines_of(text_of(file.metadata, kRequiresGrad));
  requires_grad.merge(file.requires_grad);
  for (auto& [name, x] : file.tensors) {
    if (requires_grad.contains(name) && x.is_floating_point()) {
      x.requires_grad_(true);
    }
    const bool is_number = marks_no_numbers || numbers.contains(name) || file.numbers.contains(name);
    contents.values.emplace_back(name, is_number ? number_in(x) : IValue(std::move(x)));
  }
  return contents;
}

}  // namespace

FileContents encode(const Contents& contents) {
  FileContents out;
  std::string numbers;
  std::string requires_grad;
  for (const auto& [name, value] : contents.values) {
    if (value.isString()) {
      out.metadata.emplace(std::string(kText) + name, value.toStringRef());
      continue;
    }
    out.tensors.emplace_back(name, tensor_of(value));
    if (!value.isTensor()) {
      numbers += name + "\n";
    } else if (value.toTensor().requires_grad() && contents.kind != "module") {
      requires_grad += name + "\n";
    }
  }
  std::string empty;
  for (const std::string& name : contents.empty) {
    empty += name + "\n";
  }
  const auto add = [&](const char* key, const std::string& text) {
    if (!text.empty()) {
      out.metadata.emplace(key, text);
    }
  };
  add(kKind, contents.kind);
  add(kNumbers, numbers);
  add(kEmpty, empty);
  add(kRequiresGrad, requires_grad);
  return out;
}

Contents decode(io::TensorFile file, std::string source) {
  // A .npz file has no place for the marks.
  Contents contents = decode_values(file, std::move(source), file.metadata.empty());
  for (auto& [key, text] : file.metadata) {
    if (key.starts_with(kText)) {
      contents.values.emplace_back(key.substr(kText.size()), std::move(text));
    }
  }
  return contents;
}

Contents decode_torch(io::TensorFile file, std::string source) {
  Contents contents = decode_values(file, std::move(source));
  for (auto& [key, text] : file.metadata) {
    if (!key.starts_with(kOurs)) {
      contents.values.emplace_back(key, std::move(text));
    }
  }
  return contents;
}

}  // namespace backflow::serialize
