#include <backflow/io/run_contents.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>

#include <backflow/exchange/atomic_file.h>
#include <backflow/io/event_file.h>
#include <backflow/io/run_directory.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

namespace fs = std::filesystem;

/// What stands between `prefix` and `suffix` in `name`, if it is a number.
std::optional<long long> number_between(std::string_view name, std::string_view prefix, std::string_view suffix) {
  if (name.size() <= prefix.size() + suffix.size() || !name.starts_with(prefix) || !name.ends_with(suffix)) return {};
  name = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  const bool digits = std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  long long number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return digits && error == std::errc() ? std::optional(number) : std::nullopt;
}

/// Of a name that RunDirectory gives: step-6.h5 is somebody else's.
std::optional<long long> step_of(std::string_view name) {
  const std::optional<long long> step = number_between(name, "step-", ".h5");
  return step && RunDirectory::checkpoint_name(*step) == name ? step : std::nullopt;
}

bool is_dump(std::string_view name) { return step_of(name) || name == RunDirectory::kBest; }

bool is_set_aside(std::string_view name) {
  const std::size_t at = name.rfind(".old");
  if (at == std::string_view::npos || !is_dump(name.substr(0, at))) return false;
  return name.substr(at) == ".old" || number_between(name.substr(at), ".old-", "");
}

bool is_checkpoint(const std::string& name) { return is_dump(name) || is_set_aside(name) || is_temporary(name); }

bool is_of_run(const std::string& name) {
  for (const char* own : {"config.toml", "environment.json", "metrics.jsonl", "log.txt", "trace.json"}) {
    if (name == own) return true;
  }
  return number_between(name, "trace-rank", ".json") || EventFile::is_name(name) || is_temporary(name);
}

/// The names of files in a directory for which `wanted` holds, sorted.
template <class Wanted>
std::vector<std::string> names_in(const std::string& directory, const Wanted& wanted) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  if (error == std::errc::no_such_file_or_directory) return names;
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::string name = it->path().filename().string();
    std::error_code unknown;
    if (wanted(name) && it->is_regular_file(unknown)) names.push_back(std::move(name));
  }
  check(!error, directory, ": cannot read the directory: ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

void remove_file(const std::string& path) {
  std::error_code error;
  fs::remove(path, error);
  check(!error, path, ": cannot remove: ", error.message());
}

std::string checkpoints_of(const std::string& directory) { return directory + "/checkpoints"; }

}  // namespace

std::vector<DumpFile> list_dumps(const std::string& directory) {
  const std::string folder = checkpoints_of(directory);
  std::vector<DumpFile> dumps;
  for (const std::string& name : names_in(folder, [](const std::string& name) { return step_of(name).has_value(); })) {
    dumps.push_back({*step_of(name), folder + "/" + name});
  }
  std::sort(dumps.begin(), dumps.end(),
            [](const DumpFile& a, const DumpFile& b) { return std::tie(a.step, a.path) < std::tie(b.step, b.path); });
  return dumps;
}

std::string find_run(const std::string& directory) {
  for (const std::string& name : names_in(directory, is_of_run)) {
    if (!is_temporary(name)) return name;
  }
  for (const std::string& name : names_in(checkpoints_of(directory), is_checkpoint)) {
    if (!is_temporary(name)) return "checkpoints/" + name;
  }
  return "";
}

void remove_run(const std::string& directory) {
  // The dumps first: what is left of a run that could not be removed in full is no run to go on with.
  const std::string folder = checkpoints_of(directory);
  for (const std::string& name : names_in(folder, is_checkpoint)) remove_file(folder + "/" + name);
  for (const std::string& name : names_in(directory, is_of_run)) remove_file(directory + "/" + name);
}

void remove_temporaries(const std::string& directory) {
  remove_temporaries_of(directory);
  remove_temporaries_of(checkpoints_of(directory));
}

void remove_temporaries_of(const std::string& folder) {
  for (const std::string& name : names_in(folder, [](const std::string& name) { return is_temporary(name); })) {
    remove_file(folder + "/" + name);
  }
}

std::string set_aside(const std::string& dump) {
  std::string path = dump + ".old";
  for (int count = 2; fs::exists(path); ++count) path = to_text(dump, ".old-", count);
  std::error_code error;
  fs::rename(dump, path, error);
  check(!error, dump, ": cannot rename to ", path, ": ", error.message());
  return path;
}

}  // namespace backflow::io
