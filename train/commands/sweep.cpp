#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/distributed/environment.h>
#include <backflow/io/config.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/run/stop_signal.h>
#include <backflow/train/sweep/sweep.h>

namespace backflow::train {
namespace {

struct Options {
  SweepCommand command;
  SweepOptions given;  ///< what the command line says; the rest is that of [sweep]
  std::string goal;
};

std::string key_of(const std::string& set) { return set.substr(0, set.find('=')); }

/// [sweep] of the configuration, with what the command line says in its place.
SweepOptions merge(const Options& line, const CLI::App& sweep) {
  SweepOptions options = read_sweep(io::Config::load(line.command.config).section("sweep"));
  for (const std::string& set : line.given.set) {
    std::erase_if(options.set, [&](const std::string& other) { return key_of(other) == key_of(set); });
  }
  options.set.insert(options.set.end(), line.given.set.begin(), line.given.set.end());
  const auto take = [&](const char* name, auto& into, const auto& from) {
    if (sweep.get_option(name)->count() > 0) {
      into = from;
    }
  };
  take("--random", options.random, line.given.random);
  take("--seed", options.seed, line.given.seed);
  take("--metric", options.metric, line.given.metric);
  take("--goal", options.goal, line.goal == "min" ? Goal::Lowest : Goal::Highest);
  take("--halving", options.halving, line.given.halving);
  take("--eta", options.eta, line.given.eta);
  take("--min-epochs", options.min_epochs, line.given.min_epochs);
  take("--ranks", options.ranks, line.given.ranks);
  if (options.set.empty()) {
    throw io::ConfigError(line.command.config +
                          ": nothing to vary: need --set KEY=VALUES, as in --set optimizer.lr=0.1,0.01, or a [sweep]");
  }
  return options;
}

/// A word as a shell takes it.
std::string shell_word(const std::string& word) {
  if (!word.empty() &&
      word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=,:+-@%") ==
          std::string::npos) {
    return word;
  }
  std::string text = "'";
  for (const char c : word) {
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return text + "'";
}

/// The command that goes on with this sweep: that of this process.
std::string command_to_go_on(const std::string& directory, const SweepCommand& command) {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::string text;
  for (std::string word; std::getline(in, word, '\0');) {
    text += (text.empty() ? "" : " ") + shell_word(word);
  }
  return text + (command.out.empty() ? " --out " + shell_word(directory) : "") + (command.resume ? "" : " --resume");
}

int finish(const Options& line, const SweepEnd& end) {
  std::cout << "\n" << summary_table(end.results);
  std::cout << "\nsummary: " << end.directory << "/summary.csv\nreport: backflow report " << shell_word(end.directory)
            << '\n';
  if (end.stopped) {
    std::cout << "stopped by a signal; go on with:\n  " << command_to_go_on(end.directory, line.command) << '\n';
    return kStopped;
  }
  const bool failed = std::any_of(end.results.outcomes.begin(), end.results.outcomes.end(), [](const RunOutcome& run) {
    return run.state == RunStatus::Failed || run.state == RunStatus::Interrupted;
  });
  if (failed) {
    std::cout << "some runs failed: their output is in " << end.directory << "/logs; try them again with:\n  "
              << command_to_go_on(end.directory, line.command) << '\n';
  }
  return failed ? kFailed : kDone;
}

int run(const Options& line, const CLI::App& sweep) {
  watch_stop_signals();
  const distributed::LaunchEnvironment launch = distributed::launch_environment();
  if (launch.by_mpirun || launch.size > 1) {
    throw io::ConfigError("sweep: started by mpirun or on several ranks: need a plain process, which starts the runs");
  }
  const SweepEnd end =
      run_sweep(line.command, merge(line, sweep), [](const std::string& text) { std::cout << text << std::endl; });
  return line.command.dry_run ? kDone : finish(line, end);
}

void add_judging(CLI::App* sweep, Options& line) {
  sweep
      ->add_option("--metric", line.given.metric, "metric that runs are compared by; accuracy, else loss, unless given")
      ->type_name("NAME");
  sweep->add_option("--goal", line.goal, "min or max: which values are better; by the metric's name unless given")
      ->check(CLI::IsMember({"min", "max"}))
      ->type_name("WORD");
  CLI::Option* halving =
      sweep->add_flag("--halving", line.given.halving, "stop the worst runs early, by successive halving");
  sweep->add_option("--eta", line.given.eta, "with --halving: of so many runs the best goes on; 3 unless given")
      ->needs(halving)
      ->check(CLI::Range(2, 100));
  sweep
      ->add_option("--min-epochs", line.given.min_epochs,
                   "with --halving: epochs before a run is judged; 1 unless given")
      ->needs(halving)
      ->check(CLI::Range(1, 1000000));
}

}  // namespace

void add_sweep(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* sweep = app.add_subcommand("sweep", "train a configuration with many values of some keys, and compare");
  sweep->add_option("CONFIG", line->command.config, "TOML file of the experiment")->required();
  sweep
      ->add_option("--set", line->given.set,
                   "a key and its values, as optimizer.lr=0.1,0.01 or seed=1..3; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUES");
  sweep->add_option("--random", line->given.random, "draw so many runs instead of all combinations")
      ->check(CLI::Range(1, 100000))
      ->type_name("N");
  sweep->add_option("--seed", line->given.seed, "of --random; 0 unless given")->check(CLI::Range(0, 2000000000));
  sweep->add_option("--out", line->command.out, "directory; sweeps/<name>/<date-time> unless given")
      ->check(not_empty, "")
      ->type_name("DIR");
  sweep->add_option("--jobs", line->command.jobs, "runs at once, which share the cores; 1 unless given")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  sweep->add_option("--ranks", line->given.ranks, "ranks of each run, started by mpirun.sh; 1 unless given")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  sweep
      ->add_option("--threads", line->command.threads,
                   "threads of all runs together; a thread for each core unless given")
      ->check(CLI::Range(1, 1024));
  sweep->add_flag("--resume", line->command.resume, "go on with the sweep that --out holds, if it holds one")
      ->needs(sweep->get_option("--out"));
  sweep->add_flag("--dry-run", line->command.dry_run, "check all configurations and list the runs");
  sweep->add_flag("--trace", line->command.trace, "each run writes the time line of one step, which reports show");
  add_judging(sweep, *line);
  sweep->callback([line, &action, sweep] { action.run = [line, sweep] { return run(*line, *sweep); }; });
}

}  // namespace backflow::train
