#include <cstdint>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/commands/prepared.h>
#include <backflow/train/cores/profiled_step.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

struct Options {
  ConfigSource config;
  RankRequest place;
  bool cores = false;
  double bandwidth = 12;
  std::int64_t steps = 20;
};

int run_profile(const Options& line) {
  return run_job([&](const World& world) -> int {
    const Prepared p = on_all_ranks(*world, [&] {
      if (line.cores && world->size() > 1) {
        throw io::ConfigError(
            to_text("profile: ", world->size(), " ranks: need one; for a rank's part of a batch set train.batch_size"));
      }
      return prepare(io::Config::load(line.config.file, line.config.overrides));
    });
    start_platform(*world, line.place, p.config.notes());
    check_agreement(*world, "profile", {}, facts_of(p));
    ProfiledStep step(p.experiment, *p.task, p.model, *p.train_data, world);
    const std::string text = line.cores ? step.on_cores(line.bandwidth) : step.profile(line.steps);
    if (world->rank() == 0) {
      std::cout << text << std::flush;
    }
    return kDone;
  });
}

}  // namespace

void add_profile(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* profile = app.add_subcommand("profile", "print where the time of a step goes, without training");
  add_config_source(profile, line->config);
  CLI::Option* cores = profile->add_flag(
      "--cores", line->cores,
      "predict the step's time on 1 to 128 cores of one node, from a recording on one and costs measured here, and say "
      "what limits it: how many cores does this model feed?");
  profile
      ->add_option("--bandwidth", line->bandwidth,
                   "memory bandwidth of 64 cores, as a multiple of what one core has; 12 unless given")
      ->needs(cores)
      ->check(CLI::Range(1.0, 64.0))
      ->type_name("X");
  profile->add_option("--steps", line->steps, "steps that are profiled, after 3 to warm up; 20 unless given")
      ->excludes(cores)
      ->check(CLI::Range(1, 1000000));
  add_placement(profile, line->place);
  profile->callback([line, &action] { action.run = [line] { return run_profile(*line); }; });
}

}  // namespace backflow::train
