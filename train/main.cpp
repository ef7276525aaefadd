// The `backflow` program: reads the command line, runs one command, turns exceptions into one message and an exit code.
#include <algorithm>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/io/config.h>
#include <backflow/train/commands.h>
#include <backflow/train/experiment.h>
#include <backflow/train/run/job.h>
#include <backflow/train/usage.h>
#include <backflow/train/views/terminal.h>

namespace {

using namespace backflow;
using train::CommandLine;

void add_config(CLI::App* command, CommandLine& line) {
  command->add_option("CONFIG", line.config, "TOML file of the experiment")->required();
  command->add_option("--set", line.overrides, "replace one key, as in train.epochs=2; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
}

/// An option whose value is one of these words.
template <class T>
CLI::Option* add_choice(CLI::App* command, const std::string& name, T& value, const std::map<std::string, T>& choices,
                        const std::string& description) {
  std::vector<std::string> words;
  words.reserve(choices.size());
  for (const auto& [word, choice] : choices) {
    words.push_back(word);
  }
  const auto check = [words](const std::string& word) -> std::string {
    const bool known = std::find(words.begin(), words.end(), word) != words.end();
    return known ? "" : "'" + word + "': need " + train::join(words, " or ");
  };
  return command
      ->add_option_function<std::string>(
          name, [&value, choices](const std::string& word) { value = choices.at(word); }, description)
      ->check(check, "")
      ->type_name("WORD");
}

/// --threads, --bind and --memory.
void add_placement(CLI::App* command, RankRequest& place) {
  command->add_option("--threads", place.threads, "computing threads of each rank; its part of the cores unless given")
      ->check(CLI::Range(1, 1024));
  add_choice<ThreadBinding>(
      command, "--bind", place.binding,
      {{"auto", ThreadBinding::Auto}, {"cores", ThreadBinding::Cores}, {"none", ThreadBinding::None}},
      "'cores' binds a thread to each core, 'none' none; 'auto', the default, those of a rank that has its cores "
      "alone");
  add_choice<MemoryPolicy>(command, "--memory", place.memory,
                           {{"auto", MemoryPolicy::Auto}, {"local", MemoryPolicy::Local}},
                           "'local' leaves memory where it is touched first; 'auto', the default, interleaves it when "
                           "a rank spans NUMA nodes");
}

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
    return train::unknown_command(left.front(), commands);
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
  return train::unknown_argument(left.front(), next, options,
                                 sets ? train::Experiment::keys() : std::vector<std::string>());
}

/// What is wrong with the name of a graph's file, if anything.
std::string picture_name(const std::string& file) {
  const auto ends = [&](const char* suffix) { return file.ends_with(suffix); };
  const auto known = {".dot", ".svg", ".png", ".pdf", ".json"};
  return std::any_of(known.begin(), known.end(), ends)
             ? ""
             : "'" + file + "': need a name that ends with .dot, .svg, .png, .pdf or .json";
}

/// What is wrong with an empty argument, as that of --resume "$DUMP" without such a variable.
std::string not_empty(const std::string& text) { return text.empty() ? "need a name, not an empty one" : ""; }

/// Runs a command. What it prints may go to a full disk; train, which has a log, goes on and does not mind.
int run_command(int (*run)(const CommandLine&), const CommandLine& line) {
  const int code = run(line);
  if (run != backflow::train::run_train && !std::cout.flush()) {
    throw backflow::Error("standard output: cannot write all of it");
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  backflow::train::open_standard_streams();
  CommandLine line;
  int (*run)(const CommandLine&) = nullptr;
  bool version = false;
  CLI::App app("Backflow trains neural networks on CPU clusters. Start it with mpirun or srun for several ranks.",
               "backflow");
  app.add_flag("--version", version, "versions of Backflow and of the libraries that run");

  CLI::App* train = app.add_subcommand("train", "train the model of a configuration");
  add_config(train, line);
  train->add_option("--out", line.out, "run directory; runs/<name>/<date-time> unless given")
      ->check(not_empty, "")
      ->type_name("DIR");
  CLI::Option* resume =
      train
          ->add_option("--resume", line.resume,
                       "go on from this dump, or with 'auto' from the newest of --out, if there is one")
          ->check(not_empty, "")
          ->type_name("FILE");
  train
      ->add_option("--allow-change", line.allowed,
                   "go on from a dump although this key, as data.mean, or section differs; may be repeated")
      ->needs(resume)
      ->allow_extra_args(false)
      ->type_name("KEY");
  train->add_flag("--overwrite", line.overwrite, "remove the run that --out holds, if it holds one, and start anew");
  train->add_flag("--dry-run", line.dry_run, "check everything and say what would be done");
  train->add_flag(
      "--quiet,-q", line.quiet,
      "print the path of the last dump alone; warnings and errors go to standard error, all else to log.txt");
  train->add_flag("--profile", line.profile, "print at the end where the time of a step went, operator by operator");
  CLI::Option* trace = train->add_flag("--trace", line.trace, "write trace.json, a time line of some steps");
  train
      ->add_option("--trace-steps", line.trace_steps,
                   "steps that the trace holds, after 10 to warm up; 50 unless given")
      ->needs(trace)
      ->check(CLI::Range(1, 1000000));
  train->callback([&] { run = backflow::train::run_train; });
  CLI::App* profile = app.add_subcommand("profile", "print where the time of a step goes, without training");
  add_config(profile, line);
  CLI::Option* cores = profile->add_flag(
      "--cores", line.cores,
      "predict the step's time on 1 to 128 cores of one node, from a recording on one and costs measured here, and say "
      "what limits it: how many cores does this model feed?");
  profile
      ->add_option("--bandwidth", line.bandwidth,
                   "memory bandwidth of 64 cores, as a multiple of what one core has; 12 unless given")
      ->needs(cores)
      ->check(CLI::Range(1.0, 64.0))
      ->type_name("X");
  profile->add_option("--steps", line.steps, "steps that are profiled, after 3 to warm up; 20 unless given")
      ->excludes(cores)
      ->check(CLI::Range(1, 1000000));
  profile->callback([&] { run = backflow::train::run_profile; });
  CLI::App* evaluate = app.add_subcommand("evaluate", "evaluate a dump on the test data of its configuration");
  evaluate->add_option("FILE", line.file, "dump, as checkpoints/step-000003752.h5")->required();
  evaluate->add_option("--set", line.overrides, "replace one key of the dump's configuration")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  evaluate->callback([&] { run = backflow::train::run_evaluate; });
  for (CLI::App* command : {train, profile, evaluate}) {
    add_placement(command, line.place);
  }
  CLI::App* inspect = app.add_subcommand("inspect", "print what a dump holds");
  inspect->add_option("FILE", line.file, "dump")->required();
  inspect->add_option("--diff", line.diff, "print in which parameters another dump differs; exit code 1 if any")
      ->type_name("FILE");
  inspect->callback([&] { run = backflow::train::run_inspect; });
  CLI::App* config = app.add_subcommand("config", "check a configuration and print it with all defaults");
  add_config(config, line);
  config->callback([&] { run = backflow::train::run_config; });
  CLI::App* graph = app.add_subcommand("graph", "draw what a step of a configuration computes");
  add_config(graph, line);
  graph
      ->add_option("-o,--output", line.graph,
                   "FILE.dot, FILE.svg, .png or .pdf (with Graphviz), or FILE.json; printed unless given")
      ->check(picture_name, "")
      ->type_name("FILE");
  graph->callback([&] { run = backflow::train::run_graph; });
  CLI::App* ops = app.add_subcommand("ops", "list the operators: arguments, formula, dtypes");
  CLI::Option* op = ops->add_option("NAME", line.op, "this one alone, as add or add_; all unless given");
  ops->add_flag("--markdown", line.markdown, "as docs/operators.md has them")->excludes(op);
  ops->callback([&] { run = backflow::train::run_ops; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return train::fail_usage(explain(app, argc, argv, error));
  }
  try {
    if (version) {
      return backflow::train::run_version();
    }
    if (run == nullptr) {
      std::cout << app.help();
      return backflow::train::kWrongUsage;
    }
    return run_command(run, line);
  } catch (const io::ConfigError& error) {
    return train::fail_usage(error.what());
  } catch (const std::exception& error) {
    std::cerr << "backflow: error: " << error.what() << std::endl;
    return backflow::train::kFailed;
  }
}
