#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace backflow::train {

/// What the command line asks for.
struct Action {
  std::function<int()> run;  ///< gives the exit code; empty when no command was named
  bool must_print = true;    ///< standard output that cannot be written is an error; train has a log besides
};

/// Adds all commands to the program's command line. The one that is named sets `action`, which must outlive parsing.
void add_commands(CLI::App& app, Action& action);

/// `backflow train CONFIG`: trains on all ranks, from a dump on with --resume. With --dry-run checks everything and
/// says what would be done.
void add_train(CLI::App& app, Action& action);
/// `backflow profile CONFIG [--cores]`: runs some steps on one rank, writes nothing, and prints where their time goes,
/// or how fast a step would be on more cores than there are.
void add_profile(CLI::App& app, Action& action);
/// `backflow evaluate FILE.h5`: loads a dump and evaluates it on the test data that its configuration names.
void add_evaluate(CLI::App& app, Action& action);
/// `backflow inspect FILE [--diff OTHER]`: prints the tensors of a file of any format, or in which of them two files
/// differ; kFailed when they do.
void add_inspect(CLI::App& app, Action& action);
/// `backflow convert FROM TO`: writes the tensors of one file in the format of another.
void add_convert(CLI::App& app, Action& action);
/// `backflow config CONFIG`: checks a configuration and prints it with all defaults.
void add_config(CLI::App& app, Action& action);
/// `backflow graph CONFIG [--output FILE]`: runs one step on zeros and draws it; the suffix of the file says how: .dot,
/// .svg, .png, .pdf or .json.
void add_graph(CLI::App& app, Action& action);
/// `backflow ops [NAME] [--markdown]`: prints what the registry says of all operators, or of those of one name.
void add_ops(CLI::App& app, Action& action);

}  // namespace backflow::train
