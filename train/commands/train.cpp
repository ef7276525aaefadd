#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/commands/prepared.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/loop/initial_values.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/resume.h>
#include <backflow/train/run/resume_changes.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/run/start_report.h>
#include <backflow/train/run/stop_signal.h>
#include <backflow/train/trainer.h>

namespace backflow::train {
namespace {

const BatchMaker* pointer_to(const std::optional<BatchMaker>& data) { return data ? &*data : nullptr; }

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
          {"--trace", line.trace ? to_text(line.trace_steps, " steps") : "off"}};
}

/// What else has to be the same where the bits have to be.
Facts platform_facts(const Experiment& experiment, const Platform& platform) {
  if (experiment.distributed.reduction == GradientReduction::Fast) {
    return {};
  }
  return {{"the instruction set", platform.place.instruction_sets}};
}

void print_plan(const Prepared& p, const RunStart& start, const std::string& report) {
  for (const auto& parameter : p.model.module->named_parameters()) {
    std::cout << "  " << parameter.key() << "  " << describe(parameter.value()) << '\n';
  }
  std::cout << report << std::endl;
  for (const std::string& warning : start.warnings) {
    std::cout << "warning: " << warning << std::endl;
  }
  if (!start.dump_path.empty()) {
    std::cout << "goes on after step " << start.dump.step << ": " << start.dump_path << std::endl;
  }
}

/// Takes the dump over into the model, after a look at what has changed since; returns what the user should know of it.
std::vector<std::string> take_over(RunStart& start, const std::vector<std::string>& allowed, const Facts& facts,
                                   const Prepared& p) {
  if (start.dump_path.empty()) {
    return {};
  }
  AllowedChanges changes = check_changes(start.dump_path, start.dump, facts, allowed);
  if (changes.of_optimizer_state) {
    start.dump.optimizer.clear();
    changes.notes.push_back("the optimizer's state starts anew");
  }
  load_trained_model(start.dump_path, start.dump, *p.model.module);
  return changes.notes;
}

int run_train(const Options& line) {
  watch_stop_signals();
  return run_job([&](const World& world) -> int {
    world->set_wait_limits({.stop_requested = stop_requested});
    const Prepared p = on_all_ranks(*world, [&] {
      std::vector<std::string> overrides = line.config.overrides;
      if (!line.init.empty()) {
        overrides.push_back("init.file='" + line.init + "'");
      }
      Prepared prepared = prepare(io::Config::load(line.config.file, overrides));
      prepared.experiment.check_ranks(prepared.config, world->size());
      return prepared;
    });
    world->set_wait_limits({.timeout_s = p.experiment.distributed.timeout_s, .stop_requested = stop_requested});
    world->set_hierarchy(p.experiment.distributed.hierarchy);
    const Platform platform = start_platform(*world, line.place, p.config.notes());
    const Facts facts = facts_of(p);
    check_agreement(*world, "train", options_of(line), facts, platform_facts(p.experiment, platform));
    on_all_ranks(*world, [&] { check_allowed_names(line.allowed, facts); });
    RunStart start = start_run({.out = line.out, .resume = line.resume, .overwrite = line.overwrite}, *world);
    std::string report = start_report(
        p.experiment, p.model,
        {.train = *p.train_data, .validation = pointer_to(p.validation_data), .test = pointer_to(p.test_data)},
        world->size(), platform);
    if (start.dump_path.empty() && !p.experiment.init.file.empty()) {
      report += "\n" + on_all_ranks(*world, [&] {
                  return load_initial_values(p.experiment.init, *p.model.module).text(p.experiment.init.file);
                });
    }
    for (const std::string& note : on_all_ranks(*world, [&] { return take_over(start, line.allowed, facts, p); })) {
      report += "\n" + wrapped("note: " + note);
    }
    if (line.dry_run) {
      if (world->rank() == 0) {
        print_plan(p, start, report);
      }
      return kDone;
    }
    const Outcome outcome =
        train(p.experiment, *p.task, p.model,
              {.train = *p.train_data, .validation = pointer_to(p.validation_data), .test = pointer_to(p.test_data)},
              {.start = std::move(start),
               .resolved_config = p.settled.resolved(),
               .report = report,
               .train_data = value_of(facts, "data.train"),
               .test_data = value_of(facts, "data.test"),
               .trace_steps = line.trace ? line.trace_steps : 0,
               .profile = line.profile,
               .verbosity = line.quiet ? Progress::Verbosity::Quiet : Progress::Verbosity::Normal},
              platform, world);
    world->barrier();
    return outcome == Outcome::Stopped ? kStopped : kDone;
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
  add_placement(train, line->place);
  train->callback([line, &action] { action = {[line] { return run_train(*line); }, false}; });
}

}  // namespace backflow::train
