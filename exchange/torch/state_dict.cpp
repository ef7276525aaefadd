#include <algorithm>
#include <array>
#include <iomanip>
#include <limits>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>

#include <backflow/exchange/torch/state_dict_internal.h>

namespace backflow::io::detail {
namespace {

using Kind = PickleValue::Kind;

// Where the trainers of this world keep the model in a checkpoint.
constexpr std::array<std::string_view, 8> kUsualKeys{"state_dict", "model_state_dict", "model",  "net",
                                                     "network",    "module",           "params", "weights"};
// Containers may hold each other twice, and again, and again: work and text have limits of their own.
constexpr std::size_t kDeepest = 32;
constexpr std::size_t kMostVisits = 2'000'000;
constexpr std::size_t kLongestName = 4096;
constexpr std::size_t kMostMetadata = std::size_t{16} << 20;
constexpr std::size_t kMostNumbers = 100'000;

std::string key_text(const PickleValue& key) { return key.kind == Kind::Int ? std::to_string(key.integer) : key.text; }

/// The text of a number or text; nothing for any other value.
std::optional<std::string> scalar_text(const PickleValue& value) {
  switch (value.kind) {
    case Kind::Bool:
      return value.integer != 0 ? "True" : "False";
    case Kind::Int:
      return std::to_string(value.integer);
    case Kind::Float: {
      std::ostringstream out;
      out << std::setprecision(std::numeric_limits<double>::max_digits10) << value.number;
      return out.str();
    }
    case Kind::Text:
      return value.text;
    default:
      return std::nullopt;
  }
}

/// What becomes of numbers: those of dictionaries are metadata, or all are values.
enum class Numbers : std::uint8_t { Metadata, Values };

class Collector {
 public:
  Collector(const Pickle& pickle, const std::string& where, Numbers numbers)
      : pickle_(pickle), where_(where), numbers_(numbers) {}

  /// Adds all that is in a dictionary, list or tuple.
  void collect(const PickleValue& container, const std::string& prefix, std::size_t depth) {
    check(depth <= kDeepest, where_, ": dictionaries more than ", kDeepest, " deep: need a state dictionary");
    const bool is_dict = container.kind == Kind::Dict;
    for (std::size_t i = 0; i < container.items.size(); i += is_dict ? 2 : 1) {
      check(++visits_ <= kMostVisits, where_, ": more than ", kMostVisits, " values: need a state dictionary");
      const PickleValue& value = pickle_[container.items[is_dict ? i + 1 : i]];
      const std::string name = prefix + (is_dict ? key_text(pickle_[container.items[i]]) : std::to_string(i));
      check(name.size() <= kLongestName, where_, ": a name of ", name.size(), " bytes: need at most ", kLongestName);
      if (value.kind == Kind::Dict || value.kind == Kind::List || value.kind == Kind::Tuple) {
        collect(value, name + ".", depth + 1);
      } else if ((is_dict && !container.is_object) || value.kind == Kind::Tensor || numbers_ == Numbers::Values) {
        add(name, value);
      }
    }
  }
  /// Adds a value that is no container.
  void add(const std::string& name, const PickleValue& value) {
    const bool is_number = value.kind == Kind::Bool || value.kind == Kind::Int || value.kind == Kind::Float;
    if (value.kind == Kind::Tensor) {
      check(names_.insert(name).second, where_, ": two tensors '", name, "': need different names");
      result_.tensors.emplace_back(name, static_cast<std::size_t>(value.integer));
    } else if (is_number && numbers_ == Numbers::Values) {
      check(result_.numbers.size() < kMostNumbers, where_, ": more than ", kMostNumbers, " numbers beside the tensors");
      check(names_.insert(name).second, where_, ": two values '", name, "': need different names");
      result_.numbers.emplace_back(name, &value);
    } else {
      add_metadata(name, value);
    }
  }
  /// Adds the value if it is a number or text, unless there is one of that name.
  void add_metadata(const std::string& name, const PickleValue& value) {
    const auto text = scalar_text(value);
    if (!text) return;
    metadata_bytes_ += name.size() + text->size();
    check(metadata_bytes_ <= kMostMetadata, where_, ": more than ", kMostMetadata, " bytes of text beside the tensors");
    result_.metadata.emplace(name, *text);
  }
  StateDict take() { return std::move(result_); }

 private:
  const Pickle& pickle_;
  const std::string& where_;
  Numbers numbers_;
  std::size_t visits_ = 0;
  std::size_t metadata_bytes_ = 0;
  StateDict result_;
  std::set<std::string> names_;
};

/// The value of a key, or null; the key may go through several dictionaries: "a.b".
const PickleValue* find(const Pickle& pickle, const PickleValue& dictionary, const std::string& key, int depth = 0) {
  const PickleValue* inner = nullptr;
  for (std::size_t i = 0; i < dictionary.items.size() && depth < 32; i += 2) {
    const PickleValue& value = pickle[dictionary.items[i + 1]];
    const std::string name = key_text(pickle[dictionary.items[i]]);
    if (name == key) return &value;
    if (value.kind == Kind::Dict && !name.empty() && key.starts_with(name + ".") && inner == nullptr) {
      inner = find(pickle, value, key.substr(name.size() + 1), depth + 1);
    }
  }
  return inner;
}

/// Looks for the dictionaries of a checkpoint that have tensors.
class Dictionaries {
 public:
  Dictionaries(const Pickle& pickle, const PickleValue& root) : pickle_(pickle) {
    root_has_tensors_ = has_tensors(root);
    if (!root_has_tensors_) look(root, "", 0);
  }
  bool root_has_tensors() const { return root_has_tensors_; }
  /// As "'model', 'ema.model'".
  const std::string& names() const { return names_; }
  /// Those where a checkpoint usually has its model.
  const std::vector<std::string>& usual() const { return usual_; }

 private:
  bool has_tensors(const PickleValue& dictionary) {
    return std::any_of(dictionary.items.begin(), dictionary.items.end(),
                       [&](PickleRef item) { return ++visits_ <= kMostVisits && pickle_[item].kind == Kind::Tensor; });
  }
  void look(const PickleValue& dictionary, const std::string& prefix, int depth) {
    constexpr int kDeepestLook = 3;
    for (std::size_t i = 0; i < dictionary.items.size() && ++visits_ <= kMostVisits; i += 2) {
      const PickleValue& value = pickle_[dictionary.items[i + 1]];
      const std::string name = key_text(pickle_[dictionary.items[i]]);
      if (value.kind != Kind::Dict || name.size() > kLongestName) continue;
      if (has_tensors(value)) {
        constexpr std::size_t kLongestList = 2000;
        if (names_.size() < kLongestList) names_ += (names_.empty() ? "'" : ", '") + prefix + name + "'";
        const bool is_usual = std::find(kUsualKeys.begin(), kUsualKeys.end(), name) != kUsualKeys.end();
        if (prefix.empty() && is_usual) usual_.push_back(name);
      } else if (depth < kDeepestLook) {
        look(value, prefix + name + ".", depth + 1);
      }
    }
  }

  const Pickle& pickle_;
  bool root_has_tensors_ = false;
  std::size_t visits_ = 0;
  std::string names_;
  std::vector<std::string> usual_;
};

}  // namespace

StateDict find_state_dict(const Pickle& pickle, const std::string& key, const std::string& where) {
  const PickleValue& root = pickle[pickle.root];
  check(root.kind == Kind::Dict, where,
        ": holds no dictionary: need a state dictionary; hint: torch.save(model."
        "state_dict(), ...)");
  const Dictionaries dictionaries(pickle, root);
  const std::string& names = dictionaries.names();
  const PickleValue* chosen = &root;
  if (!key.empty()) {
    chosen = find(pickle, root, key);
    check(chosen != nullptr && chosen->kind == Kind::Dict, where, ": no dictionary '", key,
          "': need one that it has: ", names.empty() ? "there is none" : names);
  } else if (!root.is_object && !dictionaries.root_has_tensors() && !root.items.empty()) {
    check(!names.empty(), where, ": no tensors in its dictionary: need a state dictionary");
    check(dictionaries.usual().size() == 1, where, ": several dictionaries: need to know which of ", names,
          "; hint: --key NAME");
    chosen = find(pickle, root, dictionaries.usual().front());
  }
  Collector collector(pickle, where, Numbers::Metadata);
  collector.collect(*chosen, "", 0);
  if (chosen != &root) {
    for (std::size_t i = 0; i < root.items.size(); i += 2) {
      collector.add_metadata(key_text(pickle[root.items[i]]), pickle[root.items[i + 1]]);
    }
  }
  return collector.take();
}

StateDict collect_values(const Pickle& pickle, const std::string& where) {
  const PickleValue& root = pickle[pickle.root];
  Collector collector(pickle, where, Numbers::Values);
  if (root.kind == Kind::Dict || root.kind == Kind::List || root.kind == Kind::Tuple) {
    collector.collect(root, "", 0);
  } else {
    collector.add("0", root);
  }
  return collector.take();
}

}  // namespace backflow::io::detail
