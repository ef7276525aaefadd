#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/nn/archive/contents.h>
#include <backflow/nn/load_report.h>

namespace backflow::nn {
class Module;
}

namespace backflow::serialize {

/// What a module and those below it are to get, and what does not fit, before anything is changed.
struct PendingLoad {
  std::vector<std::pair<Tensor, Tensor>> copies;  ///< target and value
  LoadReport report;
};

/// A tree of tensors and other values that was read from a file, as libtorch's. Copies of the handles are not made: an
/// archive inside of another shares its values. Thread-safe but for load_from() and what is read into.
class InputArchive final {
 public:
  /// An empty archive.
  InputArchive();
  explicit InputArchive(Contents contents);
  InputArchive(InputArchive&&) = default;
  InputArchive& operator=(InputArchive&&) = default;
  InputArchive(const InputArchive&) = delete;
  InputArchive& operator=(const InputArchive&) = delete;

  /// Reads a value. Returns false, and changes nothing, when there is none of that name and kind.
  ///
  /// A tensor that is defined gets the elements: copied where shape and dtype are the same, so that views of it see
  /// them, and otherwise in place of its own. A tensor that is undefined becomes that of the file.
  bool try_read(const std::string& key, IValue& ivalue);
  bool try_read(const std::string& key, Tensor& tensor, bool is_buffer = false);
  bool try_read(const std::string& key, InputArchive& archive);
  /// The same. Throws Error that lists the names of the archive instead of returning false.
  void read(const std::string& key, IValue& ivalue);
  void read(const std::string& key, Tensor& tensor, bool is_buffer = false);
  void read(const std::string& key, InputArchive& archive);
  template <class... Ts>
  void operator()(Ts&&... ts) {
    read(std::forward<Ts>(ts)...);
  }
  /// The names of the values and archives in it, each once, in the file's order. A name ends at its first dot.
  std::vector<std::string> keys() const;

  // ---- of <backflow/serialize/serialize.h>, whose library defines them ----
  /// Reads a whole file: of any format of OutputArchive::save_to(), whoever wrote it. Of a .pt file all tensors,
  /// numbers and texts are read, with names as "model.fc.weight" and "param_groups.0.lr". Throws Error for a file that
  /// is damaged or of no such format; the archive is unchanged then.
  void load_from(const std::string& filename, std::optional<Device> device = {});
  /// Reads to the end of the stream.
  void load_from(std::istream& stream, std::optional<Device> device = {});
  void load_from(const char* data, std::size_t size, std::optional<Device> device = {});
  /// `read_func` copies `bytes` bytes from `position` on and returns how many it has copied; `size_func` returns how
  /// many there are.
  void load_from(const std::function<std::size_t(std::uint64_t position, void* data, std::size_t bytes)>& read_func,
                 const std::function<std::size_t()>& size_func, std::optional<Device> device = {});

  /// Values by name, relative to this archive, in the file's order.
  std::vector<std::pair<std::string, IValue>> values() const;
  /// What was saved, see Contents; "" for an archive inside of another.
  std::string kind() const { return prefix_.empty() ? shared_->contents.kind : ""; }
  /// Another handle on this archive.
  InputArchive here() const;
  /// For messages: the file, and the path inside of it.
  std::string where() const;

 private:
  struct Shared {
    Contents contents;
    std::map<std::string, std::size_t> places;  ///< of values, by name
  };
  friend class nn::Module;
  const IValue* find(const std::string& key) const;
  [[noreturn]] void fail_missing(const std::string& key, const char* needed) const;

  std::shared_ptr<const Shared> shared_;
  std::string prefix_;                    ///< ends with a dot, unless it is empty
  std::shared_ptr<PendingLoad> pending_;  ///< while a module is loaded from it
};

}  // namespace backflow::serialize
