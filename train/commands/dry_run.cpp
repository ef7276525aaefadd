#include <backflow/train/commands/dry_run.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <optional>
#include <string_view>

#include <backflow/train/commands/prepared.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/loop/initial_values.h>
#include <backflow/train/run/resume_changes.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/run/start_report.h>
#include <backflow/train/run/stop_signal.h>
#include <backflow/train/trainer.h>
#include <backflow/train/views/plan_table.h>

namespace backflow::train {
namespace {

/// Sets a fact, or adds it.
void set(Facts& facts, const std::string& name, const std::string& value) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const auto& fact) { return fact.first == name; });
  if (found == facts.end()) {
    facts.emplace_back(name, value);
  } else {
    found->second = value;
  }
}

/// The facts of the run with those of the dump where a dry run does not read the samples that tell them.
Facts facts_to_compare(const Prepared& p, const io::Dump& dump) {
  Facts facts = facts_of(p);
  set(facts, "data.train", dump.train_data);
  set(facts, "data.test", dump.test_data);
  const Facts given = p.config.values();
  const bool measures = value_of(given, "data.normalize") == "\"auto\"";
  const bool fills = value_of(given, "data.missing") == "\"mean\"";
  constexpr std::array<std::string_view, 5> kMeasured = {"data.normalize", "data.mean", "data.std", "data.means",
                                                         "data.stds"};
  constexpr std::array<std::string_view, 2> kFilled = {"data.missing", "data.fill_values"};
  const io::Config before = io::Config::parse(dump.config, "the dump");
  Experiment::read(before);
  for (const auto& [name, value] : before.values()) {
    if ((measures && std::find(kMeasured.begin(), kMeasured.end(), name) != kMeasured.end()) ||
        (fills && std::find(kFilled.begin(), kFilled.end(), name) != kFilled.end())) {
      set(facts, name, value);
    }
  }
  return facts;
}

/// What the run would start from: a dump, a file with parameters, or random numbers. Returns lines to print.
std::string look_at_start(RunStart& start, const DryRun& what, const Prepared& p, Mistakes& mistakes) {
  const InitOptions& init = p.experiment.init;
  std::string report;
  if (p.model.module == nullptr) {
    mistakes.attempt([&] { check_initial_file(start.dump_path.empty() ? init : InitOptions{}); });
    return report;
  }
  if (!start.dump_path.empty()) {
    mistakes.attempt([&] {
      const Facts facts = start.dump.config.empty() ? facts_of(p) : facts_to_compare(p, start.dump);
      for (const std::string& note : take_over(start, what.allowed, facts, p)) {
        report += "\n" + wrapped("note: " + note);
      }
    });
  } else if (!init.file.empty()) {
    mistakes.attempt([&] { report += "\n" + load_initial_values(init, *p.model.module).text(init.file); });
  }
  return report;
}

/// What a rank's part of a batch, or of a piece of it, is at most.
std::int64_t samples_of_rank(const TrainOptions& train, std::int64_t samples, int ranks) {
  const std::int64_t parts = ranks * train.micro_batches;
  return (std::min(train.batch_size, samples) + parts - 1) / parts;
}

void print_plan(const Prepared& p, const RunStart& start, const std::string& report, int ranks) {
  const std::int64_t samples = p.train_data->size();
  const RunLength length = run_length(p.experiment.train, samples);
  std::cout << plan_table(p.model, {.sample_shape = p.train_data->info().sample_shape,
                                    .samples_of_rank = samples_of_rank(p.experiment.train, samples, ranks),
                                    .dtype = p.experiment.train.dtype,
                                    .copies = p.experiment.copies(),
                                    .snapshot_copies = p.experiment.snapshot_copies(),
                                    .steps_per_epoch = length.steps_per_epoch,
                                    .steps = length.total_steps})
            << report << std::endl;
  for (const std::string& warning : start.warnings) {
    std::cout << "warning: " << warning << std::endl;
  }
  if (!start.dump_path.empty()) {
    std::cout << "goes on after step " << start.dump.step << ": " << start.dump_path << std::endl;
  }
}

/// What the configuration describes, on this rank; nothing when it cannot be read. Returns whether all ranks found no
/// mistake. Collective.
bool look_at_config(distributed::Communicator& world, const DryRun& what, std::optional<Prepared>& p,
                    Mistakes& mistakes) {
  try {
    run_on_all_ranks(world, [&] {
      mistakes.attempt([&] {
        const io::Config config = what.load();
        p.emplace(prepare(config, Contents::Shapes, mistakes));
        if (config.section("distributed").is_sound()) {
          p->experiment.check_ranks(config, world.size());
        }
      });
      mistakes.check();
    });
  } catch (const SharedFailure&) {  // there may be more to find
    return false;
  }
  return true;
}

}  // namespace

int dry_run(const World& world, const DryRun& what) {
  Mistakes mistakes;
  std::optional<Prepared> p;
  Platform platform;
  if (look_at_config(*world, what, p, mistakes)) {
    world->set_wait_limits({.timeout_s = p->experiment.distributed.timeout_s, .stop_requested = stop_requested});
    world->set_hierarchy(p->experiment.distributed.hierarchy);
    platform = start_platform(*world, what.place, p->config.notes());
    check_agreement(*world, "train", what.options, facts_of(*p), platform_facts(p->experiment, platform));
  }
  RunStart start;
  mistakes.attempt([&] { start = start_run(what.start, *world); });
  std::string report;
  if (p) {
    mistakes.attempt([&] { check_allowed_names(what.allowed, facts_of(*p)); });
    report = look_at_start(start, what, *p, mistakes);
  }
  run_on_all_ranks(*world, [&] { mistakes.check(); });
  if (world->rank() == 0) {
    report = start_report(p->experiment, p->model, p->run_data(), world->size(), platform) + report;
    print_plan(*p, start, report, world->size());
  }
  return kDone;
}

}  // namespace backflow::train
