#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/dry_run.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/commands/prepared.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/loop/initial_values.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/resume_changes.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/run/start_report.h>
#include <backflow/train/run/stop_signal.h>
#include <backflow/train/trainer.h>

namespace backflow::train {
namespace {

struct Options {
  ConfigSource config;
  std::string out;
  std::string init;                  ///< file with parameters to start from
  std::string resume;                ///< a dump, or "auto"
  std::vector<std::string> allowed;  ///< --allow-change: keys that may differ from the dump's
  bool overwrite = false;            ///< removes the run that --out holds
  RankRequest place;
  bool dry_run = false;
  bool quiet = false;
  bool profile = false;
  bool trace = false;
  std::int64_t trace_steps = 50;
  std::int64_t stop_after_epoch = 0;
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

Facts options_of(const Options& line) {
  return {{"--out", line.out},
          {"--resume", line.resume},
          {"--overwrite", line.overwrite ? "on" : "off"},
          {"--allow-change", joined(line.allowed)},
          {"--dry-run", line.dry_run ? "on" : "off"},
          {"--stop-after-epoch", to_text(line.stop_after_epoch)},
          {"--trace", line.trace ? to_text(line.trace_steps, " steps") : "off"}};
}

io::Config load_config(const Options& line) {
  std::vector<std::string> overrides = line.config.overrides;
  if (!line.init.empty()) {
    overrides.push_back("init.file='" + line.init + "'");
  }
  return io::Config::load(line.config.file, overrides);
}

/// What the run starts from besides random numbers; returns what the user should know of it.
std::string take_values(RunStart& start, const Options& line, const Facts& facts, const Prepared& p,
                        distributed::Communicator& world) {
  std::string report;
  const InitOptions& init = p.experiment.init;
  if (start.dump_path.empty() && !init.file.empty()) {
    report += "\n" + on_all_ranks(world, [&] { return load_initial_values(init, *p.model.module).text(init.file); });
  }
  for (const std::string& note : on_all_ranks(world, [&] { return take_over(start, line.allowed, facts, p); })) {
    report += "\n" + wrapped("note: " + note);
  }
  return report;
}

int train_on(const World& world, const Options& line) {
  const StartOptions places{.out = line.out, .resume = line.resume, .overwrite = line.overwrite};
  if (line.dry_run) {
    return dry_run(world, {.load = [&] { return load_config(line); },
                           .start = places,
                           .allowed = line.allowed,
                           .place = line.place,
                           .options = options_of(line)});
  }
  const Prepared p = on_all_ranks(*world, [&] {
    Prepared prepared = prepare(load_config(line));
    prepared.experiment.check_ranks(prepared.config, world->size());
    return prepared;
  });
  world->set_wait_limits({.timeout_s = p.experiment.distributed.timeout_s, .stop_requested = stop_requested});
  world->set_hierarchy(p.experiment.distributed.hierarchy);
  const Platform platform = start_platform(*world, line.place, p.config.notes());
  const Facts facts = facts_of(p);
  check_agreement(*world, "train", options_of(line), facts, platform_facts(p.experiment, platform));
  on_all_ranks(*world, [&] { check_allowed_names(line.allowed, facts); });
  RunStart start = start_run(places, *world);
  std::string report = start_report(p.experiment, p.model, p.run_data(), world->size(), platform);
  report += take_values(start, line, facts, p, *world);
  const Outcome outcome = train(p.experiment, *p.task, p.model, p.run_data(),
                                {.start = std::move(start),
                                 .resolved_config = p.settled.resolved(),
                                 .report = report,
                                 .train_data = value_of(facts, "data.train"),
                                 .test_data = value_of(facts, "data.test"),
                                 .trace_steps = line.trace ? line.trace_steps : 0,
                                 .stop_after_epoch = line.stop_after_epoch,
                                 .profile = line.profile,
                                 .verbosity = line.quiet ? Progress::Verbosity::Quiet : Progress::Verbosity::Normal},
                                platform, world);
  world->barrier();
  return outcome == Outcome::Stopped ? kStopped : kDone;
}

int run_train(const Options& line) {
  watch_stop_signals();
  return run_job([&](const World& world) -> int {
    world->set_wait_limits({.stop_requested = stop_requested});
    return train_on(world, line);
  });
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* train = app.add_subcommand("train", "train the model of a configuration");
  add_config_source(train, line->config);
  train->add_option("--out", line->out, "run directory; runs/<name>/<date-time> unless given")
      ->check(not_empty, "")
      ->type_name("DIR");
  train
      ->add_option(
          "--init", line->init,
          "start from the parameters in this file as far as they fit: a dump, .safetensors, .npz, .pt; the same "
          "as --set init.file=FILE")
      ->check(not_empty, "")
      ->type_name("FILE");
  CLI::Option* resume =
      train
          ->add_option("--resume", line->resume,
                       "go on from this dump, or with 'auto' from the newest of --out, if there is one")
          ->check(not_empty, "")
          ->type_name("FILE");
  train
      ->add_option("--allow-change", line->allowed,
                   "go on from a dump although this key, as data.mean, or section differs; may be repeated")
      ->needs(resume)
      ->allow_extra_args(false)
      ->type_name("KEY");
  train->add_flag("--overwrite", line->overwrite, "remove the run that --out holds, if it holds one, and start anew");
  train->add_flag("--dry-run", line->dry_run, "check everything and say what would be done");
  train->add_flag(
      "--quiet,-q", line->quiet,
      "print the path of the last dump alone; warnings and errors go to standard error, all else to log.txt");
  train->add_flag("--profile", line->profile, "print at the end where the time of a step went, operator by operator");
  CLI::Option* trace = train->add_flag("--trace", line->trace, "write trace.json, a time line of some steps");
  train
      ->add_option("--trace-steps", line->trace_steps,
                   "steps that the trace holds, after 10 to warm up; 50 unless given")
      ->needs(trace)
      ->check(CLI::Range(1, 1000000));
  train
      ->add_option("--stop-after-epoch", line->stop_after_epoch,
                   "end the run after this epoch, as a signal would: with a dump to go on from")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
  add_placement(train, line->place);
  train->callback([line, &action] { action = {[line] { return run_train(*line); }, false}; });
}

}  // namespace backflow::train
