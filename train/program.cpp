#include <backflow/train/program.h>

#include <algorithm>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/io/config.h>
#include <backflow/io/guarded_read.h>
#include <backflow/io/schema.h>
#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/versions.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/experiment.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/platform.h>
#include <backflow/train/run/stop_signal.h>
#include <backflow/train/usage.h>
#include <backflow/train/views/terminal.h>

namespace backflow::train {
namespace {

/// What is wrong with a command line, in our words where CLI11 says no more than what it did not expect.
std::string explain(const CLI::App& app, int argc, char** argv, const CLI::ParseError& error) {
  const std::vector<std::string> left = app.remaining(true);
  const bool option = !left.empty() && left.front().starts_with('-');
  if (left.empty() || (!option && dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr)) {
    return error.what();
  }
  if (app.get_subcommands().empty() && !option) {
    std::vector<std::string> commands;
    for (const CLI::App* command : app.get_subcommands({})) {
      commands.push_back(command->get_name());
    }
    return unknown_command(left.front(), commands);
  }
  const CLI::App& command = app.get_subcommands().empty() ? app : *app.get_subcommands().front();
  std::vector<std::string> options;
  for (const CLI::Option* known : command.get_options()) {
    for (const std::string& name : known->get_lnames()) {
      options.push_back("--" + name);
    }
  }
  const bool sets = std::find(options.begin(), options.end(), "--set") != options.end();
  char** const at = std::find(argv, argv + argc, left.front());
  const std::string next = at < argv + argc - 1 ? at[1] : "";
  return unknown_argument(left.front(), next, options, sets ? Experiment::keys() : std::vector<std::string>());
}

int run_version() {
  for (const auto& [library, version] : versions()) {
    std::cout << library << ' ' << version << '\n';
  }
  std::cout << "instruction sets: oneDNN " << kernels::onednn_isa() << ", Highway " << kernels::instruction_set()
            << '\n';
  return kDone;
}

/// Runs a command. What it prints may go to a full disk.
int run_action(const Action& action) {
  const int code = action.run();
  if (action.must_print && !std::cout.flush()) {
    throw Error("standard output: cannot write all of it");
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (const std::optional<int> code = io::run_guard(argc, argv)) {
    return *code;
  }
  io::use_guard_program(stop_requested);
  open_standard_streams();
  Action action;
  bool version = false;
  CLI::App app("Backflow trains neural networks on CPU clusters. Start it with mpirun or srun for several ranks.",
               "backflow");
  app.add_flag("--version", version, "versions of Backflow and of the libraries that run");
  std::string key;
  app.add_option("--help-config", key, "all keys of configurations, or what is to say of one, as train.epochs")
      ->type_name("[KEY]");
  add_commands(app, action);
  try {
    // Read here, since a key may be called as a command is.
    if (argc > 1 && std::string(argv[1]) == "--help-config") {
      std::cout << io::schema_text(Experiment::schema(), argc > 2 ? argv[2] : "");
      return kDone;
    }
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return fail_usage(explain(app, argc, argv, error));
  } catch (const io::ConfigError& error) {
    return fail_usage(error.what());
  }
  try {
    if (version) {
      return run_version();
    }
    if (!action.run) {
      std::cout << app.help();
      return kWrongUsage;
    }
    return run_action(action);
  } catch (const io::ConfigError& error) {
    return fail_usage(error.what());
  } catch (const std::exception& error) {
    std::cerr << to_text("backflow: error: ", error.what(), '\n') << std::flush;
    return kFailed;
  }
}

}  // namespace backflow::train
