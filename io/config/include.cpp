#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <backflow/io/config/tree_internal.h>

// include = "base.toml": what is included becomes part of the tree, below what the file itself says.

namespace backflow::io::detail {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;
// Files that include two each double their number with every level.
constexpr std::uint32_t kMaxFiles = 1000;

// Puts `over` on top of `table`: tables are merged, all else is replaced.
void overlay(ConfigTable& table, ConfigTable& over) {
  for (auto& entry : over.entries) {
    ConfigEntry& under = table.at(entry->key);
    if (under.given && is_table(under.value) && is_table(entry->value)) {
      ConfigTable& inner = table_of(entry->value);
      overlay(table_of(under.value), inner);
      table_of(under.value).place = inner.place;
      under.value.place = entry->value.place;
      under.place = entry->place;
    } else {
      under = std::move(*entry);
    }
  }
}

// The names of files that an `include` gives; throws ConfigError.
std::vector<const ConfigValue*> names_in(const ConfigValue& value) {
  std::vector<const ConfigValue*> names;
  if (const auto* list = std::get_if<ConfigValue::List>(&value.data)) {
    for (const ConfigValue& element : *list) names.push_back(&element);
  } else {
    names.push_back(&value);
  }
  for (const ConfigValue* name : names) {
    const auto* text = std::get_if<std::string>(&name->data);
    if (text == nullptr || text->empty()) {
      throw ConfigError(name->place.text +
                        ": 'include' in the top level: need the name of a file, or an array of names");
    }
  }
  return names;
}

class Includer {
 public:
  /// Includes what the table of the file at `path`, called so in messages, asks for.
  void include(ConfigTable& root, const std::filesystem::path& path) {
    const auto found = std::find_if(root.entries.begin(), root.entries.end(),
                                    [](const auto& entry) { return entry->key == "include"; });
    if (found == root.entries.end()) return;
    const std::unique_ptr<ConfigEntry> entry = std::move(*found);
    root.entries.erase(found);
    if (!expand_variables(problems_, entry->value)) return;
    chain_.push_back(path);
    ConfigTable all;
    try {
      for (const ConfigValue* name : names_in(entry->value)) read(*name, path, all);
    } catch (const ConfigError& error) {
      problems_.push_back({entry->value.place, error.what()});
    }
    chain_.pop_back();
    overlay(all, root);
    root.entries = std::move(all.entries);
  }

  void throw_problems() const { detail::throw_problems(problems_); }

 private:
  void read(const ConfigValue& name, const std::filesystem::path& from, ConfigTable& all) {
    const std::filesystem::path path = (from.parent_path() / std::get<std::string>(name.data)).lexically_normal();
    const std::string problem = refuse(path);
    if (!problem.empty()) {
      problems_.push_back({name.place, name.place.text + ": 'include' in the top level: " + problem});
      return;
    }
    try {
      ConfigTable table;
      parse_text(read_config_file(path.string()), path.string(), ++files_, table);
      include(table, path);
      overlay(all, table);
    } catch (const ConfigError& error) {
      problems_.push_back({name.place, to_text(error.what(), "; included at ", name.place.text)});
    }
  }

  /// Why a file cannot be included here, if so.
  std::string refuse(const std::filesystem::path& path) const {
    if (files_ >= kMaxFiles) return to_text("more than ", kMaxFiles, " files: need at most so many");
    std::error_code error;
    for (auto other = chain_.begin(); other != chain_.end(); ++other) {
      if (*other != path && !std::filesystem::equivalent(*other, path, error)) continue;
      std::string text;
      for (auto link = other; link != chain_.end(); ++link) text += link->string() + " -> ";
      return to_text(path.string(), " includes itself (", text, path.string(), "): need files that form no cycle");
    }
    return "";
  }

  std::vector<std::filesystem::path> chain_;
  std::vector<Problem> problems_;
  std::uint32_t files_ = 0;
};

}  // namespace

std::string read_config_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw ConfigError(to_text(path, ": cannot read: ", std::strerror(errno), ": need a TOML file"));
  }
  if (S_ISDIR(status.st_mode)) throw ConfigError(path + ": is a directory: need a TOML file");
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  if (!file) throw ConfigError(to_text(path, ": cannot read: ", std::strerror(errno), ": need a TOML file"));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw ConfigError(to_text(path, ": cannot read: ", std::strerror(errno)));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) throw ConfigError(path + ": more than 16 MiB: need a TOML file");
  return text;
}

void include_files(ConfigTree& tree, const std::string& path) {
  const ConfigEntry* entry = tree.root.find("include");
  if (entry == nullptr) return;
  if (path.empty()) {
    throw ConfigError(entry->place.text + ": 'include' in the top level: only files can include: need it left out");
  }
  Includer includer;
  includer.include(tree.root, path);
  includer.throw_problems();
}

}  // namespace backflow::io::detail
