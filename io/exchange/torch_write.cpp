#include <array>
#include <map>
#include <set>
#include <tuple>

#include <backflow/io/atomic_file.h>
#include <backflow/io/exchange/safetensors_header_internal.h>
#include <backflow/io/exchange/torch_file.h>
#include <backflow/io/exchange/torch_names_internal.h>
#include <backflow/io/exchange/zip.h>
#include <backflow/io/exchange/zip_format_internal.h>

namespace backflow::io {
namespace {

using namespace detail;

/// Writes the opcodes of a pickle of protocol 2, by their names in Python's pickletools.
class Pickler {
 public:
  void global(std::string_view module, std::string_view name) {  // GLOBAL
    text_ += 'c';
    text_.append(module).append("\n").append(name).append("\n");
  }
  void dotted_global(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    global(name.substr(0, dot), name.substr(dot + 1));
  }
  void text(std::string_view value) {  // BINUNICODE
    text_ += 'X';
    zip::append(text_, value.size(), 4);
    text_ += value;
  }
  void integer(std::int64_t value) {
    const bool is_byte = value >= 0 && value <= 0xff;
    const bool is_int = value >= INT32_MIN && value <= INT32_MAX;
    text_ += is_byte ? "K" : is_int ? "J" : "\x8a\x08";  // BININT1, BININT, LONG1 of 8 bytes
    zip::append(text_, static_cast<std::uint64_t>(value), is_byte ? 1 : is_int ? 4 : 8);
  }
  void integers(IntArrayRef values) {
    text_ += '(';  // MARK
    for (const std::int64_t value : values) integer(value);
    text_ += 't';  // TUPLE
  }
  void empty_ordered_dict() {
    dotted_global(kOrderedDict);
    text_ += ")R";  // EMPTY_TUPLE, REDUCE
  }
  void opcodes(std::string_view codes) { text_ += codes; }
  const std::string& result() const { return text_; }

 private:
  std::string text_ = std::string("\x80\x02", 2);  // PROTO
};

void pickle_tensor(Pickler& pickler, const Tensor& x, ElementType type, std::size_t storage) {
  pickler.dotted_global(kRebuildTensor);
  pickler.opcodes("((");  // the arguments, and first of them the storage's
  pickler.text("storage");
  pickler.global("torch", torch_storage_name(type));
  pickler.text(std::to_string(storage));
  pickler.text("cpu");
  pickler.integer(x.numel());
  pickler.opcodes("tQ");  // TUPLE, BINPERSID
  pickler.integer(0);     // offset
  pickler.integers(x.sizes());
  pickler.integers(contiguous_strides(x.sizes()));
  pickler.opcodes("\x89");  // NEWFALSE: requires no gradient
  pickler.empty_ordered_dict();
  pickler.opcodes("tR");
}

/// The tensors of a file, each with the number of its storage; those that are the same elements have the same.
class Storages {
 public:
  std::size_t number_of(const Tensor& x) {
    const bool known = x.is_contiguous() && x.numel() > 0;
    if (known) {
      const auto [found, is_new] =
          numbers_.emplace(std::tuple(x.const_data_ptr(), x.numel(), x.scalar_type()), tensors_.size());
      if (!is_new) return found->second;
    }
    tensors_.push_back(x);
    return tensors_.size() - 1;
  }
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  std::map<std::tuple<const void*, std::int64_t, ScalarType>, std::size_t> numbers_;
  std::vector<Tensor> tensors_;
};

}  // namespace

void write_torch(const std::string& path, const NamedTensors& tensors,
                 const std::map<std::string, std::string>& metadata, std::optional<ElementType> floating_point) {
  std::set<std::string_view> seen;
  Pickler pickler;
  Storages storages;
  pickler.empty_ordered_dict();
  pickler.opcodes("(");
  for (const auto& [name, x] : tensors) {
    check(seen.insert(name).second, path, ": two tensors '", name, "': need different names");
    check(x.defined(), path, ": tensor '", name, "' is undefined: need one with a value");
    pickler.text(name);
    pickle_tensor(pickler, x, stored_elements(x, floating_point), storages.number_of(x));
  }
  pickler.opcodes("u.");  // SETITEMS, STOP
  const auto bytes_of = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  const std::string folder = "archive/";
  AtomicFile file(path);
  ZipWriter archive(file, path);
  archive.add(folder + "data.pkl", bytes_of(pickler.result()));
  archive.add(folder + "byteorder", bytes_of("little"));
  for (std::size_t i = 0; i < storages.tensors().size(); ++i) {
    const Tensor& x = storages.tensors()[i];
    archive.add(folder + "data/" + std::to_string(i), EncodedElements(x, stored_elements(x, floating_point)).bytes());
  }
  archive.add(folder + "version", bytes_of("3\n"));
  if (!metadata.empty()) {
    archive.add(folder + std::string(kTorchMetadata), bytes_of(safetensors_header_text({{}, metadata}, path)));
  }
  archive.finish();
  file.commit();
}

}  // namespace backflow::io
