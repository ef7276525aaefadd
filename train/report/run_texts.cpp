#include <backflow/train/report/run_texts.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string_view>

#include <nlohmann/json.hpp>

namespace backflow::train {
namespace {

constexpr std::size_t kMostSettings = 2000;

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

std::string read_from(std::ifstream& in, std::size_t most) {
  std::string text(most, '\0');
  in.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return text;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t\r");
  return from == std::string_view::npos ? "" : text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

/// "a.b." of the header [a.b]; "a.b.0." of the first [[a.b]].
std::string prefix_of(std::string_view header, std::map<std::string, int>& counts) {
  const bool is_array = header.starts_with("[[") && header.ends_with("]]");
  const std::size_t brackets = is_array ? 2 : 1;
  std::string name(trimmed(header.substr(brackets, header.size() - std::min(header.size(), 2 * brackets))));
  return is_array ? name + "." + std::to_string(counts[name]++) + "." : name + ".";
}

/// 3e-04 as 0.0003; what is no such number as it is.
std::string without_exponent(const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  if (const auto read = std::from_chars(text.data(), end, number);
      read.ec != std::errc() || read.ptr != end || text.find('e') == std::string::npos) {
    return text;
  }
  constexpr double kSmallest = 1e-7;
  constexpr double kLargest = 1e15;
  if (std::fabs(number) < kSmallest || std::fabs(number) >= kLargest) {
    return text;
  }
  char digits[64];
  const auto [last, error] = std::to_chars(digits, digits + sizeof digits, number, std::chars_format::fixed);
  return error == std::errc() ? std::string(digits, last) : text;
}

const std::string* value_in(const Settings& settings, const std::string& key) {
  const auto found = std::find_if(settings.begin(), settings.end(), [&](const auto& one) { return one.first == key; });
  return found == settings.end() ? nullptr : &found->second;
}

}  // namespace

std::string head_of(const std::string& path, std::size_t most) {
  std::ifstream in;
  if (is_file(path)) {
    in.open(path, std::ios::binary);
  }
  return in.is_open() ? read_from(in, most) : "";
}

std::string tail_of(const std::string& path, std::size_t most) {
  std::ifstream in;
  if (is_file(path)) {
    in.open(path, std::ios::binary | std::ios::ate);
  }
  if (!in.is_open()) {
    return "";
  }
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(in.tellg(), 0));
  const std::size_t from = size - std::min(size, most);
  in.seekg(static_cast<std::streamoff>(from));
  std::string text = read_from(in, most);
  const std::size_t line = from == 0 ? 0 : text.find('\n') + 1;  // npos + 1 is 0: a single long line stays
  return text.substr(line);
}

Settings settings_in(const std::string& config) {
  Settings settings;
  std::map<std::string, int> counts;
  std::string prefix;
  std::istringstream in(config);
  for (std::string line; std::getline(in, line) && settings.size() < kMostSettings;) {
    const std::string_view text = trimmed(line);
    const std::size_t equals = text.find(" = ");
    if (text.starts_with('[') && text.ends_with(']') && equals == std::string_view::npos) {
      prefix = prefix_of(text, counts);
    } else if (!text.starts_with('#') && equals != std::string_view::npos) {
      settings.emplace_back(prefix + std::string(trimmed(text.substr(0, equals))), trimmed(text.substr(equals + 3)));
    }
  }
  return settings;
}

Settings environment_in(const std::string& json) {
  Settings settings;
  const auto parsed = nlohmann::ordered_json::parse(json, nullptr, false);
  if (!parsed.is_object()) {
    return settings;
  }
  for (const auto& [key, value] : parsed.items()) {
    if (settings.size() < kMostSettings && !value.is_structured()) {
      settings.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  return settings;
}

Differences differences(const std::vector<Settings>& all) {
  Differences found;
  std::vector<std::string> keys;
  for (const Settings& settings : all) {
    for (const auto& [key, value] : settings) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        keys.push_back(key);
      }
    }
  }
  found.values.resize(all.size());
  for (const std::string& key : keys) {
    const std::string* first = value_in(all.front(), key);
    const bool differ = std::any_of(all.begin(), all.end(), [&](const Settings& settings) {
      const std::string* value = value_in(settings, key);
      return (value == nullptr) != (first == nullptr) || (value != nullptr && *value != *first);
    });
    if (differ) {
      found.keys.push_back(key);
      for (std::size_t run = 0; run < all.size(); ++run) {
        const std::string* value = value_in(all[run], key);
        found.values[run].push_back(value != nullptr ? without_exponent(*value) : "");
      }
    }
  }
  return found;
}

}  // namespace backflow::train
