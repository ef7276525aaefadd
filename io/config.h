#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <backflow/runtime/base/error.h>

namespace backflow::io {

/// Mistakes in a configuration, a line each. A line starts with where the mistake is, "configs/x.toml:12:7: " or
/// "--set a.b=value: ".
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// The integers that a key accepts, both ends included.
struct IntegerRange {
  std::int64_t at_least = std::numeric_limits<std::int64_t>::min();
  std::int64_t at_most = std::numeric_limits<std::int64_t>::max();

  bool operator==(const IntegerRange&) const = default;
};

/// The numbers that a key accepts. `at_least` and `at_most` include the bound, `above` and `below` exclude it.
struct NumberRange {
  double at_least = -std::numeric_limits<double>::infinity();
  double at_most = std::numeric_limits<double>::infinity();
  double above = -std::numeric_limits<double>::infinity();
  double below = std::numeric_limits<double>::infinity();
  bool infinite_or_nan = false;  ///< accept inf and nan too, whatever the bounds

  bool operator==(const NumberRange&) const = default;
};

/// A key of a configuration that a reader asks for, and one sentence on what it means, in Markdown, without a capital
/// and a full stop, as "passes over the training data". Messages and docs/configuration.md have the sentence. Both must
/// outlive the call alone.
struct Key {
  // NOLINTNEXTLINE(google-explicit-constructor): a key without a sentence is written as its name
  Key(std::string_view key) : name(key) {}
  Key(const char* key) : name(key) {}         // NOLINT(google-explicit-constructor)
  Key(const std::string& key) : name(key) {}  // NOLINT(google-explicit-constructor)
  Key(std::string_view key, std::string_view meaning) : name(key), sentence(meaning) {}

  std::string_view name;
  std::string_view sentence;
};

class Schema;

namespace detail {
struct Accepts;
struct ConfigEntry;
struct ConfigTable;
struct ConfigTree;
struct ConfigValue;
struct Reading;
}  // namespace detail

/// A table of a configuration: a cheap handle that keeps the configuration alive. Each reader names a key, what it
/// accepts and its default; without a default the key must be there.
///
///   Section train = config.section({"train", "the training loop"});
///   const auto batch_size = train.integer({"batch_size", "samples of a step"}, {.at_least = 1}, 128);
///   const auto dtype = train.choice({"dtype", "of parameters and data"}, {"float32", "float64"}, "float32");
///
/// Reading records the key: Config::check() finds unread keys, Config::resolved() knows the defaults, and Schema::of()
/// finds all keys that there are. For that, which keys a reader asks for may depend on the values of `choice` alone.
///
/// A missing key, another type and a value that is not accepted are recorded too, and the reader returns the default,
/// or a value that it would accept. So reading goes on, and Config::check() throws all mistakes together. Not
/// thread-safe: one thread at a time reads a configuration.
class Section {
 public:
  /// Of no configuration: may be assigned to, and nothing else.
  Section() = default;

  std::string string(const Key& key, std::optional<std::string> fallback = {}) const;
  std::int64_t integer(const Key& key, IntegerRange range = {}, std::optional<std::int64_t> fallback = {}) const;
  /// A floating-point number; an integer is accepted for one.
  double number(const Key& key, NumberRange range = {}, std::optional<double> fallback = {}) const;
  bool boolean(const Key& key, std::optional<bool> fallback = {}) const;
  /// One of a few strings.
  std::string choice(const Key& key, const std::vector<std::string>& choices,
                     std::optional<std::string> fallback = {}) const;
  /// Several of a few strings, in the order given.
  std::vector<std::string> choices(const Key& key, const std::vector<std::string>& choices,
                                   std::optional<std::vector<std::string>> fallback = {}) const;

  /// Arrays; `range` holds for each element.
  std::vector<std::string> strings(const Key& key, std::optional<std::vector<std::string>> fallback = {}) const;
  std::vector<std::int64_t> integers(const Key& key, IntegerRange range = {},
                                     std::optional<std::vector<std::int64_t>> fallback = {}) const;
  std::vector<double> numbers(const Key& key, NumberRange range = {},
                              std::optional<std::vector<double>> fallback = {}) const;

  /// The table [key] below this one; an empty one when there is none, so that its keys take their defaults.
  Section section(const Key& key) const;
  /// The tables of the array [[key]] in their order; none when there is no such array.
  std::vector<Section> sections(const Key& key) const;
  /// The tables below [key], whose names the user chooses: {"encoder", [key.encoder]}, in their order.
  std::vector<std::pair<std::string, Section>> named_sections(const Key& key) const;

  /// True in Config::blank(). Readers may then ask for keys to which other configurations lead in another way.
  bool is_blank() const;
  /// Says, for the schema alone, that the number just read as `key` may be an array of such numbers as well.
  void accepts_array_too(std::string_view key) const;

  /// Calls `read(*this)`, and records a ConfigError that it throws. Keys that it has not come to then are no mistakes.
  void attempt(const std::function<void(const Section&)>& read) const;
  /// Whether no mistake is known in this section or below it, unknown keys included, after all have been read.
  bool is_sound() const;
  /// Records a mistake that only the reader can find, as "need two elements", and goes on. Without effect when a value
  /// of this section is wrong already, since the one may follow from the other.
  void report(const std::string& key, const std::string& message) const;

  /// A key of earlier versions, which could only be `value`. It may still be given, has no effect, and is in neither
  /// resolved() nor values(). Config::notes() then says "x.toml:40:13: 'reduction' in [distributed] is no longer
  /// needed: ", `why` and that it should be removed. Throws ConfigError for another value.
  void obsolete(std::string_view key, const std::string& value, const std::string& why) const;

  /// True when the configuration gives `key`, right or wrong. The key counts as known (a hint may name it), but not as
  /// read.
  bool has(std::string_view key) const;
  /// Whether the configuration gives an array for `key`, and the string that it gives; as `has` otherwise.
  bool has_array(std::string_view key) const;
  std::optional<std::string> given_string(std::string_view key) const;
  /// The keys that the configuration gives, in their order. Records none of them as read.
  std::vector<std::string> keys() const;
  /// "model.layers.0"; empty at the top level.
  const std::string& path() const;
  /// Where the value of `key` is, as "configs/x.toml:12:7" or "--set a.b=value". For a key that takes its default:
  /// where the section is, or else the file's name alone.
  std::string where(std::string_view key) const;
  /// Where the section itself starts.
  std::string where() const;
  /// Throws ConfigError with `where(key)` and `message`, for mistakes that leave nothing to go on with, and for those
  /// found after Config::check(), as "a layer with 10 inputs after one with 20 outputs".
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;
  /// As `where(key)` and `fail`, for element `index` of an array.
  std::string where(std::string_view key, std::size_t index) const;
  [[noreturn]] void fail(std::string_view key, std::size_t index, const std::string& message) const;
  /// Sets the explanation for `key` if it is left unread, as "it is a key of \"sgd\", not of \"adam\"". The error of
  /// Config::check() has it, with the override that removes the key.
  void explain(std::string_view key, std::string why) const;

 private:
  friend class Config;
  Section(std::shared_ptr<detail::ConfigTree> tree, detail::ConfigTable* table);
  detail::ConfigEntry& ask(const Key& key, const detail::Accepts& accepts) const;
  void report_missing(const detail::ConfigEntry& entry, const std::string& need) const;
  Section child(const detail::ConfigValue& value) const;
  Section spare(const std::string& path) const;
  template <class T, class F>
  T take(const Key& key, const detail::Accepts& accepts, const std::optional<T>& fallback, F&& read) const;

  std::shared_ptr<detail::ConfigTree> tree_;
  detail::ConfigTable* table_ = nullptr;
};

/// A configuration: a TOML document, those that it includes, and overrides of single keys. Its sections read it.
///
/// **Includes.** `include = "base.toml"` at the top level, or an array of such names, relative to the file that
/// includes. Later files override earlier ones, and the file itself overrides all: table by table and key by key;
/// arrays are replaced. Places in messages are those of the file that a value is from.
///
/// **Environment.** In a string, `${NAME}` is the variable's value, `${NAME:-text}` that or `text` when it is unset or
/// empty, and `$${` stands for `${`. A variable that is not set is a mistake.
///
/// **Overrides.** The text of a `--set` option, "a.b=value". The value is a TOML value; anything else is taken as a
/// string, so quotes are not needed. An element of an array is addressed by its number, as "model.layers.0.units=5". A
/// key or a table that the document lacks is added; it must be read like any other. "a.b=unset" removes a key, a table
/// or an element of an array, which has to exist; the string is "a.b='unset'". Overrides are applied in their order.
class Config {
 public:
  /// Reads a file of at most 16 MiB, and those that it includes. Throws ConfigError when one cannot be read or is not
  /// TOML. Wrong overrides, and variables that are not set, are mistakes that check() throws.
  static Config load(const std::string& path, const std::vector<std::string>& overrides = {});
  /// As `load`, for a text; `origin` stands for the file's name in messages.
  static Config parse(std::string_view text, const std::string& origin, const std::vector<std::string>& overrides = {});

  /// An empty configuration for readers that shall only name their keys: a required key reads as some value that it
  /// accepts, and an array of tables has one. `choices` sets keys that are read with choice(), as
  /// {"optimizer.name", "adam"}. Its resolved() is a configuration without mistakes of type and range.
  static Config blank(std::map<std::string, std::string> choices = {});

  /// The top level.
  Section root() const;
  /// The table [key] of the top level.
  Section section(const Key& key) const { return root().section(key); }
  /// The file's name, or the origin given to `parse`.
  const std::string& origin() const;

  /// Throws a ConfigError of all mistakes that have been recorded, and of all keys and tables that no reader has asked
  /// for, with the nearest known key as a hint; in the order of their places. `schema`, if given, tells of a key that
  /// belongs to another choice which one that is; it is called in need alone.
  void check(const std::function<const Schema&()>& schema = {}) const;
  /// The keys that readers have asked for, given or not, as "train.epochs". Tables are left out.
  std::vector<std::string> asked() const;
  /// All that was read, defaults included and in the order read, as TOML text. Reading that text gives the same values:
  /// it includes no file and depends on no variable.
  std::string resolved() const;
  /// The same, one by one: {"optimizer.lr", "0.05"}, {"model.layers.0.type", "\"relu\""}. An array of tables also has
  /// its length, {"model.layers", "3 tables"}.
  std::vector<std::pair<std::string, std::string>> values() const;
  /// Notes on obsolete keys, with their places; see Section::obsolete.
  const std::vector<std::string>& notes() const;

 private:
  friend class Schema;
  explicit Config(std::shared_ptr<detail::ConfigTree> tree) : tree_(std::move(tree)) {}

  std::shared_ptr<detail::ConfigTree> tree_;
};

}  // namespace backflow::io
