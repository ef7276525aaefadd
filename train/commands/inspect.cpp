#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/io/config.h>
#include <backflow/io/inspect.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/exit_code.h>

namespace backflow::train {
namespace {

struct Options {
  std::string file;
  std::string diff;
};

int run_inspect(const Options& line) {
  for (const std::string& file : {line.file, line.diff}) {
    if (!file.empty() && !std::filesystem::exists(file)) {
      throw io::ConfigError(to_text(file, ": no such file: need a dump, as checkpoints/step-000003752.h5"));
    }
  }
  if (line.diff.empty()) {
    std::cout << io::inspect_dump(line.file);
    return kDone;
  }
  const std::vector<io::DumpDifference> differences = io::diff_dumps(line.file, line.diff);
  for (const io::DumpDifference& difference : differences) {
    std::cout << difference.text() << '\n';
  }
  return differences.empty() ? kDone : kFailed;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* inspect = app.add_subcommand("inspect", "print what a dump holds");
  inspect->add_option("FILE", line->file, "dump")->required();
  inspect->add_option("--diff", line->diff, "print in which parameters another dump differs; exit code 1 if any")
      ->type_name("FILE");
  inspect->callback([line, &action] { action.run = [line] { return run_inspect(*line); }; });
}

}  // namespace backflow::train
