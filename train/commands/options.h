#pragma once

#include <string>
#include <vector>

#include <backflow/runtime/threads/placement.h>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace backflow::train {

/// The file of an experiment, and the overrides of its keys.
struct ConfigSource {
  std::string file;
  std::vector<std::string> overrides;  ///< --set a.b=value
};

/// CONFIG and --set. What an option is added for must outlive parsing.
void add_config_source(CLI::App* command, ConfigSource& source);
/// --set alone.
void add_overrides(CLI::App* command, std::vector<std::string>& overrides, const std::string& description);
/// --threads, --bind and --memory.
void add_placement(CLI::App* command, RankRequest& place);
/// What is wrong with an empty argument, as that of --resume "$DUMP" without such a variable.
std::string not_empty(const std::string& text);

}  // namespace backflow::train
