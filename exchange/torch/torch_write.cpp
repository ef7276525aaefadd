#include <set>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/safetensors_header_internal.h>
#include <backflow/exchange/torch/pickler_internal.h>
#include <backflow/exchange/torch/torch_file.h>
#include <backflow/exchange/torch/torch_names_internal.h>
#include <backflow/exchange/torch/torch_value.h>
#include <backflow/exchange/zip/zip.h>

namespace backflow::io {
namespace {

using namespace detail;

/// Turns values into a pickle and the storages that it refers to.
class ValuePickler {
 public:
  ValuePickler(const std::string& path, std::optional<ElementType> floating_point)
      : path_(path), floating_point_(floating_point) {}

  void add(const TorchValue& value) {
    std::visit([this](const auto& x) { put(x); }, value.value);
  }
  std::string finish() {
    pickler_.opcodes(".");  // STOP
    return pickler_.result();
  }
  const TorchStorages& storages() const { return storages_; }

 private:
  void put(bool x) { pickler_.truth(x); }
  void put(std::int64_t x) { pickler_.integer(x); }
  void put(double x) { pickler_.number(x); }
  void put(const std::string& x) { pickler_.text(x); }
  void put(const Tensor& x) {
    check(x.defined(), path_, ": tensor '", name_, "' is undefined: need one with a value");
    pickler_.tensor(x, stored_elements(x, floating_point_), storages_.number_of(x));
  }
  void put(const TorchList& x) {
    pickler_.opcodes("](");  // EMPTY_LIST, MARK
    for (const TorchValue& item : x.items) add(item);
    pickler_.opcodes("e");  // APPENDS
  }
  void put(const TorchTuple& x) {
    pickler_.opcodes("(");
    for (const TorchValue& item : x.items) add(item);
    pickler_.opcodes("t");
  }
  void put(const TorchDict& x) {
    if (x.ordered) {
      pickler_.empty_ordered_dict();
    } else {
      pickler_.opcodes("}");  // EMPTY_DICT
    }
    pickler_.opcodes("(");
    for (const auto& [key, item] : x.items) {
      const auto* text = std::get_if<std::string>(&key.value);
      check(text != nullptr || std::holds_alternative<std::int64_t>(key.value), path_,
            ": a key that is no text: need texts or integers");
      name_ = text != nullptr ? *text : std::to_string(std::get<std::int64_t>(key.value));
      add(key);
      add(item);
    }
    pickler_.opcodes("u");  // SETITEMS
  }

  const std::string& path_;
  std::optional<ElementType> floating_point_;
  std::string name_;  // the key before, for messages
  Pickler pickler_;
  TorchStorages storages_;
};

void write_archive(const std::string& path, const TorchValue& value, const std::map<std::string, std::string>& metadata,
                   std::optional<ElementType> floating_point) {
  ValuePickler pickler(path, floating_point);
  pickler.add(value);
  const auto bytes_of = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  const std::string folder = "archive/";
  AtomicFile file(path);
  ZipWriter archive(file, path);
  archive.add(folder + "data.pkl", bytes_of(pickler.finish()));
  archive.add(folder + "byteorder", bytes_of("little"));
  const std::vector<Tensor>& tensors = pickler.storages().tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const ElementType type = stored_elements(tensors[i], floating_point);
    archive.add(folder + "data/" + std::to_string(i), EncodedElements(tensors[i], type).bytes());
  }
  archive.add(folder + "version", bytes_of("3\n"));
  if (!metadata.empty()) {
    archive.add(folder + std::string(kTorchMetadata), bytes_of(safetensors_header_text({{}, metadata}, path)));
  }
  archive.finish();
  file.commit();
}

}  // namespace

void write_torch_value(const std::string& path, const TorchValue& value,
                       const std::map<std::string, std::string>& metadata) {
  write_archive(path, value, metadata, {});
}

void write_torch(const std::string& path, const NamedTensors& tensors,
                 const std::map<std::string, std::string>& metadata, std::optional<ElementType> floating_point) {
  std::set<std::string_view> seen;
  TorchDict dict;
  dict.ordered = true;
  for (const auto& [name, x] : tensors) {
    check(seen.insert(name).second, path, ": two tensors '", name, "': need different names");
    dict.items.push_back({TorchValue{name}, TorchValue{x}});
  }
  write_archive(path, TorchValue{std::move(dict)}, metadata, floating_point);
}

}  // namespace backflow::io
