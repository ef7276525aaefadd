#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/train/commands/commands.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/views/operators_text.h>

namespace backflow::train {
namespace {

struct Options {
  std::string op;  ///< empty for all
  bool markdown = false;
};

int run_ops(const Options& line) {
  const std::vector<OperatorFamily> families = find_operators(operator_registry(), line.op);
  std::cout << (line.markdown ? operators_markdown(families) : operators_text(families));
  return kDone;
}

}  // namespace

void add_ops(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* ops = app.add_subcommand("ops", "list the operators: arguments, formula, dtypes");
  CLI::Option* op = ops->add_option("NAME", line->op, "this one alone, as add or add_; all unless given");
  ops->add_flag("--markdown", line->markdown, "as docs/operators.md has them")->excludes(op);
  ops->callback([line, &action] { action.run = [line] { return run_ops(*line); }; });
}

}  // namespace backflow::train
