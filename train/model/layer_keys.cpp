#include <backflow/train/model/layer_keys.h>

#include <utility>

#include <backflow/train/model/layers.h>

namespace backflow::train {
namespace {

/// "channels" of "$channels"; empty for all else.
std::string parameter_of(const io::Section& section, std::string_view key) {
  const std::optional<std::string> text = section.given_string(key);
  return text && text->starts_with('$') ? text->substr(1) : "";
}

/// An operator's message without the operator's name, as "inner dimensions differ" of "matmul: inner dimensions
/// differ".
std::string_view without_name(std::string_view message) {
  const std::size_t colon = message.find(": ");
  return colon == std::string_view::npos || message.find(' ') < colon ? message : message.substr(colon + 2);
}

}  // namespace

LayerKeys::Source LayerKeys::source_of(std::string_view key) const {
  const std::string parameter = scope_.use == nullptr ? "" : parameter_of(section_, key);
  if (parameter.empty()) {
    return {section_, std::string(key)};
  }
  section_.string(key);  // it counts as read
  const BlockUse& use = *scope_.use;
  if (use.keys.has(parameter)) {
    return use.keys.source_of(parameter);
  }
  if (use.defaults.has(parameter)) {
    return {use.defaults, parameter};
  }
  use.keys.fail("use", to_text("block '", use.block, "' has the parameter '", parameter, "', the '", key, "' of [",
                               section_.path(), "]: need '", parameter, "' beside 'use', or in [model.blocks.",
                               use.block, ".defaults]"));
}

template <class F>
void LayerKeys::for_each_default(std::string_view key, const F& f) const {
  const std::string parameter = scope_.use == nullptr ? "" : parameter_of(section_, key);
  if (parameter.empty() || !scope_.use->keys.has(parameter)) {
    return;
  }
  if (scope_.use->defaults.has(parameter)) {
    f(scope_.use->defaults, parameter);
  }
  scope_.use->keys.for_each_default(parameter, f);
}

template <class T, class Read>
T LayerKeys::take(const io::Key& key, const std::optional<T>& fallback, const Read& read) const {
  // A block is read for each of its uses: what is a default for one need not be one for all.
  if (scope_.use != nullptr && fallback && !section_.has(key.name)) {
    return *fallback;
  }
  for_each_default(key.name, [&](const io::Section& section, const std::string& parameter) {
    read(section, io::Key(parameter, key.sentence));
  });
  const Source source = source_of(key.name);
  return read(source.section, io::Key(source.key, key.sentence));
}

std::int64_t LayerKeys::integer(const io::Key& key, io::IntegerRange range,
                                std::optional<std::int64_t> fallback) const {
  return take(key, fallback,
              [&](const io::Section& s, const io::Key& actual) { return s.integer(actual, range, fallback); });
}

double LayerKeys::number(const io::Key& key, io::NumberRange range, std::optional<double> fallback) const {
  return take(key, fallback,
              [&](const io::Section& s, const io::Key& actual) { return s.number(actual, range, fallback); });
}

bool LayerKeys::boolean(const io::Key& key, std::optional<bool> fallback) const {
  return take(key, fallback, [&](const io::Section& s, const io::Key& actual) { return s.boolean(actual, fallback); });
}

std::string LayerKeys::string(const io::Key& key, std::optional<std::string> fallback) const {
  return take(key, fallback, [&](const io::Section& s, const io::Key& actual) { return s.string(actual, fallback); });
}

std::string LayerKeys::choice(const io::Key& key, const std::vector<std::string>& choices,
                              std::optional<std::string> fallback) const {
  return take(key, fallback,
              [&](const io::Section& s, const io::Key& actual) { return s.choice(actual, choices, fallback); });
}

std::vector<std::int64_t> LayerKeys::integers(const io::Key& key, io::IntegerRange range,
                                              std::optional<std::vector<std::int64_t>> fallback) const {
  return take(key, fallback,
              [&](const io::Section& s, const io::Key& actual) { return s.integers(actual, range, fallback); });
}

std::vector<double> LayerKeys::numbers(const io::Key& key, io::NumberRange range,
                                       std::optional<std::vector<double>> fallback) const {
  return take(key, fallback,
              [&](const io::Section& s, const io::Key& actual) { return s.numbers(actual, range, fallback); });
}

std::vector<std::int64_t> LayerKeys::list_of(const io::Key& key, std::size_t count, std::int64_t least,
                                             const std::optional<std::vector<std::int64_t>>& fallback) const {
  const io::IntegerRange range = {.at_least = least, .at_most = kMaxSize};
  const auto read = [&](const io::Section& s, const io::Key& actual) {
    const bool uniform =
        fallback && std::count(fallback->begin(), fallback->end(), fallback->front()) == std::ssize(*fallback);
    if (!s.has_array(actual.name) && (!fallback || uniform || s.has(actual.name))) {
      const std::optional<std::int64_t> usual =
          uniform ? std::optional(fallback->front()) : std::optional<std::int64_t>();
      const std::int64_t one = s.integer(actual, range, usual);
      s.accepts_array_too(actual.name);
      return std::vector<std::int64_t>(count, one);
    }
    const std::vector<std::int64_t> list = s.integers(actual, range, fallback);
    if (list.size() != count) {
      fail(key.name, to_text("'", key.name, "' has ", list.size(), " numbers: need one number, or ", count));
    }
    return list;
  };
  return take(key, fallback, read);
}

bool LayerKeys::has_string(std::string_view key) const {
  const Source source = source_of(key);
  return source.section.given_string(source.key).has_value();
}

void LayerKeys::fail(std::string_view key, const std::string& message) const {
  std::string text = to_text("in [", section_.path(), "], ", type_, type_.empty() ? "" : ": ", without_name(message));
  for (const BlockUse* use = scope_.use.get(); use != nullptr; use = use->keys.scope_.use.get()) {
    text += to_text("; in block '", use->block, "' of [", use->keys.section_.path(), "], ",
                    use->keys.section_.where("use"));
  }
  const Source source = section_.has(key) ? source_of(key) : Source{section_, std::string(key)};
  source.section.fail(source.key, text);
}

std::vector<LayerOptions> LayerKeys::layers(const io::Key& key) const { return read_layers(section_, key, scope_); }

std::vector<LayerKeys> LayerKeys::sections(const io::Key& key) const {
  std::vector<LayerKeys> all;
  for (const io::Section& section : section_.sections(key)) {
    all.emplace_back(section, scope_);
    all.back().set_type(type_);
  }
  return all;
}

}  // namespace backflow::train
