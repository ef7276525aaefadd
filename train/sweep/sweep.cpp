#include <backflow/train/sweep/sweep.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <backflow/exchange/atomic_file.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/experiment.h>
#include <backflow/train/formatted.h>
#include <backflow/train/run/start_report.h>
#include <backflow/train/run/stop_signal.h>
#include <backflow/train/sweep/halving.h>
#include <backflow/train/sweep/job_pool.h>
#include <backflow/train/sweep/sweep_directory.h>

namespace backflow::train {
namespace {

/// A run and its configuration, which has been read.
struct CheckedRun {
  std::string text;
  std::string name;  ///< of the experiment
  std::int64_t epochs = 0;
  std::int64_t evaluated_every = 0;  ///< epochs
  bool evaluates_steps = false;      ///< within epochs as well

  /// The epoch after which a rung judges it: the first from the rung on that ends with an evaluation.
  std::int64_t stop_of(std::int64_t rung) const {
    return evaluated_every == 0 ? rung : (rung + evaluated_every - 1) / evaluated_every * evaluated_every;
  }
};

/// Reads the configuration of each run, so that all mistakes are found before the first starts.
std::vector<CheckedRun> check_runs(const std::string& file, const std::vector<PlannedRun>& runs, std::int64_t ranks) {
  const bool has_sweep = io::Config::load(file).root().has("sweep");
  std::vector<CheckedRun> checked;
  for (const PlannedRun& run : runs) {
    std::vector<std::string> overrides = run.overrides;
    if (has_sweep) {
      overrides.emplace_back("sweep=unset");
    }
    const io::Config config = io::Config::load(file, overrides);
    const Experiment experiment = Experiment::read(config);
    experiment.check_ranks(config, static_cast<int>(ranks));
    checked.push_back({.text = config.resolved(),
                       .name = experiment.name,
                       .epochs = experiment.train.epochs,
                       .evaluated_every = experiment.evaluation.every_epochs,
                       .evaluates_steps = experiment.evaluation.every_steps > 0});
  }
  return checked;
}

/// One sweep while it goes on.
class Sweep {
 public:
  Sweep(const SweepCommand& command, const SweepOptions& options, SweepResults& results, SweepDirectory& directory,
        const std::vector<CheckedRun>& checked, const std::function<void(const std::string&)>& say)
      : options_(options),
        trace_(command.trace),
        results_(results),
        directory_(directory),
        checked_(checked),
        say_(say),
        pool_(command.jobs, command.threads, options.ranks),
        paused_(results.runs.size(), 0) {
    for (std::size_t i = 0; i < results_.runs.size(); ++i) {
      refresh(i);
    }
    const auto done = std::count_if(results_.outcomes.begin(), results_.outcomes.end(),
                                    [](const RunOutcome& run) { return run.state == RunStatus::Finished; });
    say_(to_text(results_.runs.size(), results_.runs.size() == 1 ? " run" : " runs",
                 done > 0 ? to_text(", ", done, " finished already") : "", ", ", pool_.text(), ": ",
                 directory_.path()));
  }

  /// False when a signal has stopped it.
  bool run() {
    if (!options_.halving) {
      return run_until(all_runs(), std::nullopt);
    }
    const std::int64_t epochs = checked_.front().epochs;
    std::vector<std::size_t> left = all_runs();
    for (const std::int64_t rung : halving_rungs(epochs, options_.eta, options_.min_epochs)) {
      const bool last = rung == epochs;
      if (!run_until(left, last ? std::nullopt : std::optional(rung))) {
        return false;
      }
      left = last ? left : judge(left, rung);
    }
    return true;
  }

 private:
  std::vector<std::size_t> all_runs() const {
    std::vector<std::size_t> all(results_.runs.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = i;
    }
    return all;
  }

  void refresh(std::size_t i) {
    RunOutcome& outcome = results_.outcomes[i];
    outcome.record = read_record(directory_.run(results_.runs[i].name));
    if (!outcome.record.final.empty()) {
      outcome.state = RunStatus::Finished;
    }
  }

  /// The metric of halving, known once a run has been evaluated.
  std::string metric() const { return choose_metric(options_.metric, results_.outcomes); }

  /// Whether a run needs no further step: it is finished, or has come to the rung.
  bool is_done(std::size_t i, const std::optional<std::int64_t>& rung) const {
    const RunOutcome& outcome = results_.outcomes[i];
    if (outcome.state == RunStatus::Finished || !rung) {
      return outcome.state == RunStatus::Finished;
    }
    const std::int64_t stop = checked_[i].stop_of(*rung);
    // An evaluation within the epoch does not tell that it is over.
    return paused_[i] >= stop || (!checked_[i].evaluates_steps && has_reached(outcome.record, stop));
  }

  /// Of `backflow train`, for a run of this name.
  std::vector<std::string> arguments(const std::string& name) const {
    std::vector<std::string> all = {
        directory_.config(name), "--out", directory_.run(name), "--resume", "auto", "--quiet"};
    if (trace_) {
      all.insert(all.end(), {"--trace", "--trace-steps", "1"});
    }
    return all;
  }

  /// Every run stops by itself at the rung, however fast it is: what a rung decides depends on nothing else.
  bool run_until(const std::vector<std::size_t>& runs, const std::optional<std::int64_t>& rung) {
    std::vector<SweepJob> jobs;
    for (const std::size_t i : runs) {
      if (!is_done(i, rung) && results_.outcomes[i].state != RunStatus::Failed) {
        const std::string& name = results_.runs[i].name;
        jobs.push_back({i, arguments(name), directory_.log(name)});
        if (rung) {
          jobs.back().arguments.insert(jobs.back().arguments.end(),
                                       {"--stop-after-epoch", std::to_string(checked_[i].stop_of(*rung))});
        }
      }
    }
    return pool_.run(jobs, {.started = [this](const SweepJob& job) { started(job); },
                            .ended = [this, rung](const SweepJob& job, int code,
                                                  double seconds) { ended(job, code, seconds, rung); }});
  }

  void started(const SweepJob& job) { say_("start  " + describe(job.run)); }

  void ended(const SweepJob& job, int code, double seconds, const std::optional<std::int64_t>& rung) {
    RunOutcome& outcome = results_.outcomes[job.run];
    refresh(job.run);
    std::string what;
    if (outcome.state == RunStatus::Finished) {
      what = "done   ";
    } else if (code == kStopped) {
      if (rung && !stop_requested()) {
        paused_[job.run] = checked_[job.run].stop_of(*rung);
      }
      const bool reached = is_done(job.run, rung);
      outcome.state = reached ? RunStatus::Waiting : RunStatus::Interrupted;
      what = reached ? "paused " : "stopped";
    } else {
      outcome.state = RunStatus::Failed;
      outcome.error = code > 128 ? to_text("killed by signal ", code - 128) : error_in(job.output);
      what = "failed ";
    }
    const std::string name = metric();
    const double value = last_value(outcome.record, name);
    say_(what + describe(job.run) + (outcome.error.empty() ? "" : ": " + outcome.error) +
         (std::isnan(value) ? "" : formatted(": %s %.5g", name.c_str(), value)) + formatted(", %.1f s", seconds));
  }

  std::string describe(std::size_t run) const {
    std::string text = formatted("[%zu/%zu]", run + 1, results_.runs.size());
    for (const std::size_t i : varying_axes(results_.axes)) {
      text += " " + results_.axes[i].key + "=" + results_.runs[run].values[i];
    }
    return text;
  }

  /// Drops the worst after a rung; returns the others.
  std::vector<std::size_t> judge(const std::vector<std::size_t>& runs, std::int64_t rung) {
    const std::string name = metric();
    std::vector<double> values;
    values.reserve(runs.size());
    for (const std::size_t i : runs) {
      values.push_back(value_at(results_.outcomes[i].record, name, checked_[i].stop_of(rung)));
    }
    std::vector<std::size_t> left;
    for (const std::size_t place : survivors(values, options_.eta, lower_is_better(options_, name))) {
      left.push_back(runs[place]);
    }
    for (const std::size_t i : runs) {
      RunOutcome& outcome = results_.outcomes[i];
      const bool goes_on = std::find(left.begin(), left.end(), i) != left.end();
      if (!goes_on && outcome.state == RunStatus::Waiting) {
        outcome.state = RunStatus::Dropped;
      }
    }
    say_(to_text("after ", rung, rung == 1 ? " epoch " : " epochs ", left.size(), " of ", runs.size(), " runs go on"));
    return left;
  }

  const SweepOptions& options_;
  bool trace_;
  SweepResults& results_;
  SweepDirectory& directory_;
  const std::vector<CheckedRun>& checked_;
  const std::function<void(const std::string&)>& say_;
  JobPool pool_;
  std::vector<std::int64_t> paused_;  ///< the epoch at which this sweep knows a run to be paused
};

void check_halving(const SweepOptions& options, const std::vector<CheckedRun>& runs) {
  if (!options.halving) {
    return;
  }
  for (const CheckedRun& run : runs) {
    if (run.epochs != runs.front().epochs) {
      throw io::ConfigError(to_text("sweep: --halving: runs of ", runs.front().epochs, " and of ", run.epochs,
                                    " epochs: need one number of epochs for all"));
    }
    if (run.evaluated_every == 0) {
      throw io::ConfigError(
          "sweep: --halving: runs are evaluated at their end alone: need evaluation.every_epochs > 0");
    }
  }
  if (halving_rungs(runs.front().epochs, options.eta, options.min_epochs).size() < 2) {
    throw io::ConfigError(to_text("sweep: --halving: ", runs.front().epochs,
                                  " epochs are too few to judge runs on the way: need train.epochs of at least ",
                                  options.eta * options.min_epochs));
  }
}

}  // namespace

SweepEnd run_sweep(const SweepCommand& command, const SweepOptions& options,
                   const std::function<void(const std::string&)>& say) {
  SweepEnd end;
  SweepResults& results = end.results;
  for (const std::string& text : options.set) {
    results.axes.push_back(read_axis(text));
  }
  results.runs = options.random > 0
                     ? plan_random(results.axes, options.random, static_cast<std::uint64_t>(options.seed))
                     : plan_grid(results.axes);
  results.outcomes.resize(results.runs.size());
  const std::vector<CheckedRun> checked = check_runs(command.config, results.runs, options.ranks);
  check_halving(options, checked);
  if (command.dry_run) {
    say(to_text(results.runs.size(), results.runs.size() == 1 ? " run" : " runs"));
    for (const PlannedRun& run : results.runs) {
      std::string line = run.name + ":";
      for (const std::string& setting : run.overrides) {
        line += " " + setting;
      }
      say(line);
    }
    return end;
  }
  SweepDirectory directory(command.out, checked.front().name, command.resume);
  for (std::size_t i = 0; i < checked.size(); ++i) {
    directory.add_config(results.runs[i].name, checked[i].text);
  }
  end.directory = directory.path();
  end.stopped = !Sweep(command, options, results, directory, checked, say).run();
  results.metric = choose_metric(options.metric, results.outcomes);
  results.lower_is_better = lower_is_better(options, results.metric);
  io::write_file_atomically(end.directory + "/summary.txt", summary_table(results));
  io::write_file_atomically(end.directory + "/summary.csv", summary_csv(results, end.directory));
  return end;
}

}  // namespace backflow::train
