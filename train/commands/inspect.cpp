#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/io/config.h>
#include <backflow/io/inspect.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/exit_code.h>

namespace backflow::train {
namespace {

struct Options {
  std::string file;
  std::string diff;
  std::string key;
  std::optional<double> tolerance;
  bool json = false;
};

int print_differences(const Options& line) {
  const std::vector<io::TensorDifference> differences =
      io::diff_files(line.file, line.diff, {.tolerance = line.tolerance, .key = line.key});
  if (line.json) {
    std::cout << io::differences_json(differences);
  } else {
    for (const io::TensorDifference& difference : differences) {
      std::cout << difference.text() << '\n';
    }
  }
  return differences.empty() ? kDone : kFailed;
}

int run_inspect(const Options& line) {
  for (const std::string& file : {line.file, line.diff}) {
    if (!file.empty() && !std::filesystem::exists(file)) {
      throw io::ConfigError(to_text(file, ": no such file: need a dump, as checkpoints/step-000003752.h5"));
    }
  }
  if (!line.diff.empty()) {
    return print_differences(line);
  }
  const io::FileFigures file = io::inspect_file(line.file, line.key);
  std::cout << (line.json ? io::inspection_json(file) : io::inspection_text(file));
  return kDone;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* inspect = app.add_subcommand("inspect", "print what a file of tensors holds, or in what two differ");
  inspect->add_option("FILE", line->file, "dump (.h5), .safetensors, .npz, .npy, .pt or .pth")->required();
  CLI::Option* diff =
      inspect->add_option("--diff", line->diff, "print in which tensors another file differs; exit code 1 if any does")
          ->type_name("FILE");
  inspect
      ->add_option("--tolerance", line->tolerance,
                   "compare as numbers, and call those equal that are at most so far apart; bit by bit unless given")
      ->needs(diff)
      ->check([](const std::string& text) { return text.starts_with('-') ? "need a number of at least 0" : ""; }, "")
      ->type_name("X");
  inspect
      ->add_option("--key", line->key, "of a .pt file with several dictionaries: which to read, as model or ema.model")
      ->check(not_empty, "")
      ->type_name("NAME");
  inspect->add_flag("--json", line->json, "print JSON");
  inspect->callback([line, &action] { action.run = [line] { return run_inspect(*line); }; });
}

}  // namespace backflow::train
