#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include <backflow/io/schema.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/commands/prepared.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/loop/initial_values.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

struct Options {
  ConfigSource source;
  bool schema = false;
  bool markdown = false;
};

int run_config(const Options& line) {
  if (line.schema || line.markdown) {
    std::cout << (line.schema ? io::schema_json(Experiment::schema()) : io::schema_markdown(Experiment::schema()));
    return kDone;
  }
  if (line.source.file.empty()) {
    throw io::ConfigError("config: no CONFIG: need the TOML file of an experiment, --schema or --markdown");
  }
  return run_job([&](const World& world) -> int {
    const Prepared p = on_all_ranks(*world, [&] {
      Mistakes mistakes;
      Prepared prepared =
          prepare(io::Config::load(line.source.file, line.source.overrides), Contents::Shapes, mistakes);
      mistakes.attempt([&] { check_initial_file(prepared.experiment.init); });
      mistakes.check();
      return prepared;
    });
    if (world->rank() == 0) {
      std::cout << p.config.resolved();
      for (const std::string& note : p.config.notes()) {
        std::cerr << "backflow: note: " + note + '\n';
      }
    }
    return kDone;
  });
}

}  // namespace

void add_config(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* config = app.add_subcommand("config", "check a configuration and print it with all defaults");
  add_config_source(config, line->source);
  CLI::Option* file = config->get_option("CONFIG")->required(false);
  CLI::Option* schema = config->add_flag("--schema", line->schema, "print a JSON schema of all keys, for editors");
  CLI::Option* markdown =
      config->add_flag("--markdown", line->markdown, "print all keys, as docs/configuration.md has them");
  schema->excludes(file)->excludes(markdown);
  markdown->excludes(file);
  config->callback([line, &action] { action.run = [line] { return run_config(*line); }; });
}

}  // namespace backflow::train
