#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/exchange/rename.h>
#include <backflow/io/config.h>
#include <backflow/io/tensor_file.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/exit_code.h>

namespace backflow::train {
namespace {

struct Options {
  std::string from;
  std::string to;
  std::string key;
  std::vector<std::string> rules;
  std::string dtype;
  bool overwrite = false;
};

/// What is wrong with the command line, before anything is read.
void check_options(const Options& line) {
  std::error_code ignored;
  if (!std::filesystem::exists(line.from)) {
    throw io::ConfigError(to_text(line.from, ": no such file: need a file of tensors, as model.safetensors"));
  }
  if (std::filesystem::is_directory(line.to, ignored)) {
    throw io::ConfigError(to_text(line.to, ": a directory: need the name of a file"));
  }
  if (!line.overwrite && std::filesystem::exists(std::filesystem::symlink_status(line.to, ignored))) {
    throw io::ConfigError(to_text(line.to, ": is there already: need another name, or --overwrite"));
  }
}

std::optional<io::ElementType> floating_point(const std::string& dtype) {
  for (const auto type :
       {io::ElementType::Float16, io::ElementType::BFloat16, io::ElementType::Float32, io::ElementType::Float64}) {
    if (dtype == io::name(type)) {
      return type;
    }
  }
  return {};
}

int run_convert(const Options& line) {
  std::vector<io::RenameRule> rules;
  try {
    check_options(line);
    io::format_of_name(line.to);
    for (const std::string& rule : line.rules) {
      rules.emplace_back(rule);
    }
  } catch (const Error& error) {
    throw io::ConfigError(error.what());
  }
  io::TensorFile file = io::read_tensor_file(line.from, {.key = line.key, .access = io::Access::Mapped});
  const std::size_t renamed = io::rename_tensors(file.tensors, rules);
  io::write_tensors(line.to, file.tensors, file.metadata, {.floating_point = floating_point(line.dtype)});
  std::cout << line.to << ": " << file.tensors.size() << (file.tensors.size() == 1 ? " tensor, " : " tensors, ")
            << std::filesystem::file_size(line.to) << " bytes";
  if (!rules.empty()) {
    std::cout << ", " << renamed << " renamed";
  }
  std::cout << '\n';
  return kDone;
}

}  // namespace

void add_convert(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* convert = app.add_subcommand("convert", "write the tensors of one file in the format of another");
  convert
      ->add_option("FROM", line->from,
                   "dump (.h5), .safetensors, .npz, .npy, or a state dictionary of PyTorch (.pt, .pth)")
      ->required();
  convert->add_option("TO", line->to, "the file to write; its extension says the format")->required();
  convert
      ->add_option("--key", line->key, "of a .pt file with several dictionaries: which to take, as model or ema.model")
      ->check(not_empty, "")
      ->type_name("NAME");
  convert
      ->add_option("--rename", line->rules, "change names by a regular expression, as 's/^model\\.//'; may be repeated")
      ->allow_extra_args(false)
      ->type_name("s/X/Y/");
  convert->add_option("--dtype", line->dtype, "store floating-point tensors as float16, bfloat16, float32 or float64")
      ->check(
          [](const std::string& word) -> std::string {
            return floating_point(word) ? "" : "'" + word + "': need float16, bfloat16, float32 or float64";
          },
          "")
      ->type_name("WORD");
  convert->add_flag("--overwrite", line->overwrite, "replace TO if it is there");
  convert->callback([line, &action] { action.run = [line] { return run_convert(*line); }; });
}

}  // namespace backflow::train
