#include <backflow/train/usage.h>

#include <algorithm>

#include <backflow/io/nearest.h>
#include <backflow/runtime/base/error.h>

namespace backflow::train {
namespace {

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

/// The keys that are called so, in full or by their last part.
std::vector<std::string> keys_named(const std::string& name, const std::vector<std::string>& keys) {
  std::vector<std::string> found;
  for (const std::string& key : keys) {
    if (key == name || last_part(key) == name) {
      found.push_back(key);
    }
  }
  return found;
}

std::string without_dashes(const std::string& option) {
  return option.substr(std::min(option.find_first_not_of('-'), option.size()));
}

/// The nearest of some names, by what follows their dashes or dots.
template <class F>
std::string nearest_by(const std::string& name, const std::vector<std::string>& all, F&& part) {
  std::vector<std::string> parts;
  for (const std::string& one : all) {
    parts.push_back(part(one));
  }
  return io::nearest(name, parts);
}

std::string unknown_option(const std::string& word, const std::string& next, const std::vector<std::string>& options,
                           const std::vector<std::string>& keys) {
  const std::size_t equals = word.find('=');
  const std::string option = word.substr(0, equals);
  std::string name = without_dashes(option);
  std::replace(name.begin(), name.end(), '-', '_');
  std::vector<std::string> named = keys_named(name, keys);
  if (named.empty()) {
    const std::string near = nearest_by(without_dashes(option), options, without_dashes);
    if (!near.empty()) {
      return to_text("unknown option ", option, "; did you mean --", near, "?");
    }
    named = keys_named(nearest_by(name, keys, last_part), keys);
  }
  if (named.empty()) {
    return to_text("unknown option ", option, ": need one of ", join(options, ", "));
  }
  const std::string value = equals != std::string::npos ? word.substr(equals + 1) : next.starts_with("--") ? "" : next;
  std::vector<std::string> settings;
  for (const std::string& key : named) {
    settings.push_back(to_text("--set ", key, "=", value.empty() ? "VALUE" : value));
  }
  return to_text("unknown option ", option, "; did you mean ", join(settings, " or "), "?");
}

}  // namespace

std::string join(const std::vector<std::string>& words, const std::string& last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += to_text(i == 0 ? "" : i + 1 == words.size() ? last : ", ", words[i]);
  }
  return text;
}

std::string unknown_command(const std::string& word, const std::vector<std::string>& commands) {
  const std::string near = io::nearest(word, commands);
  return to_text("unknown command '", word, "': need ", join(commands, " or "),
                 near.empty() ? "" : "; did you mean '" + near + "'?");
}

std::string unknown_argument(const std::string& word, const std::string& next, const std::vector<std::string>& options,
                             const std::vector<std::string>& keys) {
  if (word.starts_with('-')) {
    return unknown_option(word, next, options, keys);
  }
  const std::string key = word.substr(0, word.find('='));
  const bool setting = key.size() < word.size() && std::find(keys.begin(), keys.end(), key) != keys.end();
  return to_text("unexpected argument '", word,
                 setting ? "'; did you mean --set " + word + "?" : "': need no further one");
}

}  // namespace backflow::train
