#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/runtime/threads/placement.h>

namespace backflow::train {

/// The program's exit codes.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,      ///< while running
  kWrongUsage = 2,  ///< the command line or the configuration is wrong; nothing has been computed
  kStopped = 3,     ///< by a signal, after writing a dump
};

/// What the command line says.
struct CommandLine {
  std::string config;                  ///< of train, profile, config and graph
  std::vector<std::string> overrides;  ///< --set a.b=value
  std::string out;                     ///< --out
  std::string resume;                  ///< --resume: a dump, or "auto"
  std::vector<std::string> allowed;    ///< --allow-change: keys that may differ from the dump's
  bool overwrite = false;              ///< --overwrite: removes the run that --out holds
  RankRequest place;                   ///< --threads, --bind and --memory
  bool dry_run = false;
  bool quiet = false;             ///< --quiet
  bool profile = false;           ///< --profile
  bool trace = false;             ///< --trace
  std::int64_t trace_steps = 50;  ///< --trace-steps
  bool cores = false;             ///< profile --cores
  double bandwidth = 12;          ///< profile --bandwidth
  std::int64_t steps = 20;        ///< profile --steps
  std::string file;               ///< of evaluate and inspect
  std::string diff;               ///< inspect --diff
  std::string graph;              ///< graph --output; empty for standard output
  std::string op;                 ///< of ops; empty for all
  bool markdown = false;          ///< ops --markdown
};

/// `backflow train CONFIG`: trains on all ranks, from a dump on with --resume. With --dry-run checks everything and
/// says what would be done.
int run_train(const CommandLine& line);
/// `backflow profile CONFIG [--cores]`: runs some steps on one rank, writes nothing, and prints where their time goes,
/// or how fast a step would be on more cores than there are.
int run_profile(const CommandLine& line);
/// `backflow evaluate FILE.h5`: loads a dump and evaluates it on the test data that its configuration names.
int run_evaluate(const CommandLine& line);
/// `backflow inspect FILE.h5 [--diff OTHER.h5]`: prints what a dump holds, or in what two differ; kFailed when they do.
int run_inspect(const CommandLine& line);
/// `backflow config CONFIG`: checks a configuration and prints it with all defaults.
int run_config(const CommandLine& line);
/// `backflow graph CONFIG [--output FILE]`: runs one step on zeros and draws it; the suffix of the file says how: .dot,
/// .svg, .png, .pdf or .json.
int run_graph(const CommandLine& line);
/// `backflow ops [NAME] [--markdown]`: prints what the registry says of all operators, or of those of one name.
int run_ops(const CommandLine& line);
/// `backflow --version`
int run_version();

}  // namespace backflow::train
