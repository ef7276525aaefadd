#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <backflow/io/config/tree_internal.h>

// ${NAME} and ${NAME:-text} in strings; $${ is ${.

namespace backflow::io::detail {
namespace {

bool is_name(const std::string& name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c == '_' || std::isalnum(c) != 0; });
}

// What stands for "NAME" or "NAME:-text"; throws ConfigError without a place.
std::string value_of(const std::string& inside) {
  const std::size_t colon = inside.find(":-");
  const std::string name = inside.substr(0, colon);
  if (!is_name(name)) {
    throw ConfigError("'${" + inside + "}' names no variable: need ${NAME} or ${NAME:-text}; '$${' is a literal '${'");
  }
  const char* value = std::getenv(name.c_str());
  if (colon != std::string::npos) {
    return value != nullptr && *value != '\0' ? value : inside.substr(colon + 2);
  }
  if (value == nullptr) {
    throw ConfigError("the variable '" + name + "' is not set: need it in the environment, or ${" + name + ":-text}");
  }
  return value;
}

std::string expanded(const std::string& text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    if (text.compare(at, 3, "$${") == 0) {
      result += "${";
      at += 3;
    } else if (text.compare(at, 2, "${") == 0) {
      const std::size_t end = text.find('}', at);
      if (end == std::string::npos) throw ConfigError("'${' without '}': need ${NAME}; '$${' is a literal '${'");
      result += value_of(text.substr(at + 2, end - at - 2));
      at = end + 1;
    } else {
      result += text[at++];
    }
  }
  return result;
}

}  // namespace

bool expand_variables(std::vector<Problem>& problems, ConfigValue& value) {
  if (auto* text = std::get_if<std::string>(&value.data)) {
    if (text->find("${") == std::string::npos) return true;
    try {
      *text = expanded(*text);
      return true;
    } catch (const ConfigError& error) {
      problems.push_back({value.place, one_line(value.place.text + ": " + error.what())});
      return false;
    }
  }
  if (auto* list = std::get_if<ConfigValue::List>(&value.data)) {
    return std::count_if(list->begin(), list->end(), [&](ConfigValue& x) { return !expand_variables(problems, x); }) ==
           0;
  }
  if (is_table(value)) expand_variables(problems, table_of(value));
  return true;
}

void expand_variables(std::vector<Problem>& problems, ConfigTable& table) {
  for (const auto& entry : table.entries) {
    if (!expand_variables(problems, entry->value)) entry->wrong = table.has_wrong = true;
  }
}

}  // namespace backflow::io::detail
