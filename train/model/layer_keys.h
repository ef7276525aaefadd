#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/options/expanding_array.h>

namespace backflow::train {

struct LayerOptions;

/// The largest size, stride, padding or number of channels of a layer.
inline constexpr std::int64_t kMaxSize = 1 << 24;

struct BlockUse;

/// The tables below [model.blocks], by name.
using Blocks = std::vector<std::pair<std::string, io::Section>>;

/// What the lists of layers of a model share while they are read.
struct LayerScope {
  std::shared_ptr<const Blocks> blocks;
  std::shared_ptr<std::size_t> layers;  ///< read so far, those of used blocks included
  std::shared_ptr<const BlockUse> use;  ///< whose block's layers are read; null outside of blocks
};

/// The keys of a layer. In a block, "$channels" stands for the parameter `channels`: its value is read where the block
/// is used, so that an error names that place, or else in the block's `defaults`. Readers are those of io::Section.
class LayerKeys {
 public:
  LayerKeys(io::Section section, LayerScope scope) : section_(std::move(section)), scope_(std::move(scope)) {}

  std::int64_t integer(const io::Key& key, io::IntegerRange range = {},
                       std::optional<std::int64_t> fallback = {}) const;
  double number(const io::Key& key, io::NumberRange range = {}, std::optional<double> fallback = {}) const;
  bool boolean(const io::Key& key, std::optional<bool> fallback = {}) const;
  std::string string(const io::Key& key, std::optional<std::string> fallback = {}) const;
  std::string choice(const io::Key& key, const std::vector<std::string>& choices,
                     std::optional<std::string> fallback = {}) const;
  std::vector<std::int64_t> integers(const io::Key& key, io::IntegerRange range = {},
                                     std::optional<std::vector<std::int64_t>> fallback = {}) const;
  std::vector<double> numbers(const io::Key& key, io::NumberRange range = {},
                              std::optional<std::vector<double>> fallback = {}) const;

  /// One integer from `least` to kMaxSize for each of D dimensions: one for all, or an array of D.
  template <std::size_t D>
  ExpandingArray<D> sizes(const io::Key& key, std::int64_t least,
                          const std::optional<ExpandingArray<D>>& fallback = {}) const {
    std::optional<std::vector<std::int64_t>> usual;
    if (fallback) {
      usual.emplace((*fallback)->begin(), (*fallback)->end());
    }
    return ExpandingArray<D>(list_of(key, D, least, usual));
  }

  /// Whether the layer gives the key.
  bool has(std::string_view key) const { return section_.has(key); }
  /// Whether its value is a string, or a parameter that is one.
  bool has_string(std::string_view key) const;
  /// Throws ConfigError for a value of this layer: with its place, the layer's path and type, `message`, and the use of
  /// the block that the layer is in.
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;

  /// The list of layers `key` of this layer.
  std::vector<LayerOptions> layers(const io::Key& key) const;
  /// The tables of an array, as `branches`.
  std::vector<LayerKeys> sections(const io::Key& key) const;

  const io::Section& section() const { return section_; }
  const LayerScope& scope() const { return scope_; }
  const std::string& type() const { return type_; }
  void set_type(std::string type) { type_ = std::move(type); }

 private:
  /// Where a value stands: for a parameter, where the block is used.
  struct Source {
    io::Section section;
    std::string key;
  };
  Source source_of(std::string_view key) const;
  /// Calls f(section, key) for the defaults of parameters that a value replaces, which count as read.
  template <class F>
  void for_each_default(std::string_view key, const F& f) const;
  template <class T, class Read>
  T take(const io::Key& key, const std::optional<T>& fallback, const Read& read) const;
  std::vector<std::int64_t> list_of(const io::Key& key, std::size_t count, std::int64_t least,
                                    const std::optional<std::vector<std::int64_t>>& fallback) const;

  io::Section section_;
  LayerScope scope_;
  std::string type_;
};

/// A layer that uses a block, whose other keys are the block's parameters.
struct BlockUse {
  std::string block;
  io::Section section;  ///< of the block
  LayerKeys keys;
  io::Section defaults;  ///< of the block's parameters
};

}  // namespace backflow::train
