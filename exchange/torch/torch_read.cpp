#include <functional>
#include <map>
#include <string_view>

#include <backflow/exchange/reading_internal.h>
#include <backflow/exchange/safetensors_header_internal.h>
#include <backflow/exchange/torch/state_dict_internal.h>
#include <backflow/exchange/torch/torch_file.h>
#include <backflow/exchange/torch/torch_names_internal.h>
#include <backflow/exchange/zip/zip.h>

namespace backflow::io {
namespace {

using namespace detail;

constexpr std::uint64_t kLongestPickle = std::uint64_t{64} << 20;
constexpr std::uint64_t kLongestMetadata = std::uint64_t{16} << 20;

/// Names may share storages, but not so often that a copy of each would fill the disk.
void check_total(const StateDict& dict, const Pickle& pickle, const InputFile& file) {
  constexpr std::uint64_t kMostCopies = 64;
  std::uint64_t elements = 0;
  for (const auto& [name, index] : dict.tensors) {
    const std::uint64_t more = static_cast<std::uint64_t>(numel_of(pickle.tensors[index].sizes));
    check(!__builtin_add_overflow(elements, more, &elements), file.path(), ": tensors of more than 2^64 elements");
  }
  check(elements / kMostCopies <= file.size(), file.path(), ": ", dict.tensors.size(), " tensors of ", elements,
        " elements from ", file.size(), " bytes: need fewer that share a storage");
}

/// What is read of a pickle. `where` names the file, for messages.
using Find = std::function<StateDict(const Pickle&, const std::string& where)>;

template <class T>
Tensor scalar(T value) {
  Tensor x = empty_tensor({}, dtype_of<T>);
  *x.mutable_data_ptr<T>() = value;
  return x;
}

/// The tensors of a dictionary; `load(storage)` gives the elements of a storage, of which each is asked for once.
TensorFile tensors_of(const Pickle& pickle, StateDict dict, const std::function<Tensor(const PickleStorage&)>& load) {
  TensorFile result;
  std::vector<Tensor> loaded(pickle.storages.size());
  for (auto& [name, index] : dict.tensors) {
    const PickleTensor& x = pickle.tensors[index];
    Tensor& storage = loaded[x.storage];
    if (!storage.defined()) storage = load(pickle.storages[x.storage]);
    result.tensors.emplace_back(std::move(name), view_of(storage, x.sizes, x.strides, x.offset));
    result.types.push_back(pickle.storages[x.storage].type);
    if (x.requires_grad) result.requires_grad.insert(result.tensors.back().first);
  }
  for (const auto& [name, number] : dict.numbers) {
    using Kind = PickleValue::Kind;
    result.tensors.emplace_back(name, number->kind == Kind::Bool  ? scalar(number->integer != 0)
                                      : number->kind == Kind::Int ? scalar(number->integer)
                                                                  : scalar(number->number));
    result.types.push_back(elements_of_dtype(result.tensors.back().second.scalar_type()));
    result.numbers.insert(name);
  }
  result.metadata = std::move(dict.metadata);
  return result;
}

/// A file of PyTorch's zip format.
class TorchArchive {
 public:
  explicit TorchArchive(const InputFile& file) : file_(file), archive_(file) {
    for (const ZipEntry& entry : archive_.entries()) {
      const std::size_t slash = entry.name.find('/');
      if (slash == std::string::npos || entry.name.substr(slash) != "/data.pkl") continue;
      pickle_ = &entry;
      root_ = entry.name.substr(0, slash);
      break;
    }
    check(pickle_ != nullptr, file.path(), ": a zip archive without data.pkl: need a file of torch.save()");
    const ZipEntry* order = archive_.find(root_ + "/byteorder");
    if (order != nullptr && archive_.read(*order, 16) == "big") order_ = ByteOrder::Big;
  }

  TensorFile read(const Find& find) const {
    const std::string where = file_.path() + ": '" + pickle_->name + "'";
    const std::string text = archive_.read(*pickle_, kLongestPickle);
    Unpickler unpickler(text, where);
    const Pickle pickle = unpickler.read();
    check(unpickler.position() == text.size(), where, ": bytes behind the pickle: need an intact copy");
    StateDict dict = find(pickle, file_.path());
    check_total(dict, pickle, file_);
    TensorFile result =
        tensors_of(pickle, std::move(dict), [&](const PickleStorage& storage) { return load(storage); });
    read_metadata(result.metadata);
    return result;
  }

 private:
  Tensor load(const PickleStorage& storage) const {
    const ZipEntry* entry = archive_.find(root_ + "/data/" + storage.key);
    check(entry != nullptr, file_.path(), ": no data of the storage '", storage.key, "': need an intact copy");
    const std::uint64_t size = element_size(storage.type);
    check(entry->bytes % size == 0 && entry->bytes / size == static_cast<std::uint64_t>(storage.numel), file_.path(),
          ": '", entry->name, "' has ", entry->bytes, " bytes: need ", storage.numel, " elements of ", storage.type);
    Tensor elements = empty_tensor(storage.numel, dtype_of_elements(storage.type));
    read_elements(*archive_.open(*entry), storage.type, order_, storage.numel, elements, 0);
    return elements;
  }

  void read_metadata(std::map<std::string, std::string>& metadata) const {
    const ZipEntry* entry = archive_.find(root_ + "/" + std::string(kTorchMetadata));
    if (entry == nullptr) return;
    const std::string where = file_.path() + ": '" + entry->name + "'";
    SafetensorsHeader header = parse_safetensors_header(archive_.read(*entry, kLongestMetadata), 0, where);
    metadata.merge(header.metadata);
  }

  const InputFile& file_;
  ZipReader archive_;
  const ZipEntry* pickle_ = nullptr;
  std::string root_;
  ByteOrder order_ = ByteOrder::Little;
};

/// A file of the format before PyTorch 1.6: three pickles of information, the pickle of the dictionary, one of the
/// storages' keys, and for each of them its number of elements and the elements.
TensorFile read_old_format(const InputFile& file, const Find& find) {
  const std::string& where = file.path();
  const std::string text = file.text_at(0, kLongestPickle);
  Unpickler unpickler(text, where);
  unpickler.read();  // the magic number, which led here
  const Pickle protocol = unpickler.read();
  check(protocol[protocol.root].integer == 1001, where, ": format ", protocol[protocol.root].integer,
        " of torch.save(): need 1001");
  const Pickle system = unpickler.read();
  const std::vector<PickleRef>& facts = system[system.root].items;
  for (std::size_t i = 0; i + 1 < facts.size(); i += 2) {
    const bool is_big = system[facts[i]].text == "little_endian" && system[facts[i + 1]].integer == 0;
    check(!is_big, where, ": written by a big-endian machine: need a file of PyTorch 1.6 or later");
  }
  const Pickle pickle = unpickler.read();
  const Pickle keys = unpickler.read();
  StateDict dict = find(pickle, where);
  check_total(dict, pickle, file);

  std::map<std::string_view, const PickleStorage*> storages;
  for (const PickleStorage& storage : pickle.storages) storages.emplace(storage.key, &storage);
  std::map<std::string, std::uint64_t> offsets;
  std::uint64_t at = unpickler.position();
  for (const PickleRef ref : keys[keys.root].items) {
    const auto found = storages.find(keys[ref].text);
    check(found != storages.end(), where, ": data of an unknown storage '", keys[ref].text, "': need an intact copy");
    const PickleStorage* storage = found->second;
    std::int64_t numel = 0;
    file.read_at(at, &numel, sizeof numel);
    const std::uint64_t room = file.size() - at - sizeof numel;
    check(numel == storage->numel && static_cast<std::uint64_t>(numel) <= room / element_size(storage->type), where,
          ": storage '", storage->key, "' has ", numel, " elements: need ", storage->numel, ", and all of the file");
    offsets[storage->key] = at + sizeof numel;
    at += sizeof numel + static_cast<std::uint64_t>(numel) * element_size(storage->type);
  }
  return tensors_of(pickle, std::move(dict), [&](const PickleStorage& storage) {
    const auto offset = offsets.find(storage.key);
    check(offset != offsets.end(), where, ": no data of the storage '", storage.key, "': need an intact copy");
    Tensor elements = empty_tensor(storage.numel, dtype_of_elements(storage.type));
    const std::uint64_t bytes = static_cast<std::uint64_t>(storage.numel) * element_size(storage.type);
    PartStream part(file, offset->second, bytes, where + ": storage '" + storage.key + "'");
    read_elements(part, storage.type, ByteOrder::Little, storage.numel, elements, 0);
    return elements;
  });
}

TensorFile read_found(const InputFile& file, const Find& find) {
  const std::string start = file.text_at(0, kOldTorchMagic.size());
  return start == kOldTorchMagic ? read_old_format(file, find) : TorchArchive(file).read(find);
}

}  // namespace

TensorFile read_torch(const InputFile& file, const std::string& key) {
  return read_found(
      file, [&](const Pickle& pickle, const std::string& where) { return find_state_dict(pickle, key, where); });
}

TensorFile read_torch_values(const InputFile& file) { return read_found(file, collect_values); }

}  // namespace backflow::io
