#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/commands/prepared.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

int run_config(const ConfigSource& source) {
  return run_job([&](const World& world) -> int {
    const Prepared p = on_all_ranks(*world, [&] { return prepare(io::Config::load(source.file, source.overrides)); });
    if (world->rank() == 0) {
      std::cout << p.config.resolved();
      for (const std::string& note : p.config.notes()) {
        std::cerr << "backflow: note: " << note << '\n';
      }
    }
    return kDone;
  });
}

}  // namespace

void add_config(CLI::App& app, Action& action) {
  const auto source = std::make_shared<ConfigSource>();
  CLI::App* config = app.add_subcommand("config", "check a configuration and print it with all defaults");
  add_config_source(config, *source);
  config->callback([source, &action] { action.run = [source] { return run_config(*source); }; });
}

}  // namespace backflow::train
