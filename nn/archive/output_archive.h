#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include <backflow/nn/archive/contents.h>

namespace backflow {

namespace jit {
/// For libtorch programs that hand it from archive to archive; nothing here needs one.
struct CompilationUnit {};
}  // namespace jit

namespace serialize {

/// A tree of tensors and other values by name, to be written to a file, as libtorch's. Tensors are handles: what they
/// hold is read when the archive is saved.
///
///   serialize::OutputArchive archive;
///   archive.write("weight", weight);
///   archive.write("epoch", 5);
///   archive.save_to("state.safetensors");
///
/// Its file names the values of archives inside of it with dots, as "encoder.weight". Not thread-safe.
class OutputArchive final {
 public:
  OutputArchive() = default;
  explicit OutputArchive(std::shared_ptr<jit::CompilationUnit>) {}
  OutputArchive(OutputArchive&&) = default;
  OutputArchive& operator=(OutputArchive&&) = default;
  OutputArchive(const OutputArchive&) = delete;
  OutputArchive& operator=(const OutputArchive&) = delete;

  std::shared_ptr<jit::CompilationUnit> compilation_unit() const { return std::make_shared<jit::CompilationUnit>(); }

  /// Writes a value. One of the same name is replaced. Throws Error for an empty name and an undefined tensor.
  void write(const std::string& key, const IValue& value);
  void write(const std::string& key, const Tensor& tensor, bool is_buffer = false);
  /// Writes all that the other archive holds. Throws Error for an empty name.
  void write(const std::string& key, OutputArchive& nested_output_archive);
  template <class... Ts>
  void operator()(Ts&&... ts) {
    write(std::forward<Ts>(ts)...);
  }

  // ---- of <backflow/serialize/serialize.h>, whose library defines them ----
  /// Writes a file, in full or not at all. The format is told by the extension: .safetensors, .pt, .pth, .npz, .h5; for
  /// any other it is safetensors. Throws Error for files that cannot be written, for names that the format cannot hold,
  /// and for text in a .npz file, which has no place for it.
  void save_to(const std::string& filename);
  /// Writes safetensors. Throws Error when the stream fails.
  void save_to(std::ostream& stream);
  /// Hands the bytes to a function that returns how many it took. Throws Error when it takes fewer.
  void save_to(const std::function<std::size_t(const void* data, std::size_t bytes)>& writer);

  const Contents& contents() const { return contents_; }
  /// Says what is saved: "module". An archive that holds something already is none of it.
  void set_kind(const std::string& kind) { contents_.kind = contents_.values.empty() ? kind : ""; }

 private:
  Contents contents_;
  std::unordered_map<std::string, std::size_t> places_;  ///< of values, by name
};

}  // namespace serialize
}  // namespace backflow
