#include <algorithm>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include <backflow/exchange/atomic_file.h>
#include <backflow/train/batch_step.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/commands/prepared.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/views/graphviz.h>
#include <backflow/train/views/step_graph.h>

namespace backflow::train {
namespace {

struct Options {
  ConfigSource config;
  std::string output;  ///< empty for standard output
};

/// Draws the step of an experiment into `file`, in the way that its suffix says, or prints it.
void write_graph(const Prepared& p, const std::string& file) {
  if (p.model.generator != nullptr) {
    throw io::ConfigError("graph: the step of a GAN: need a model that one backward trains");
  }
  const Batch batch = zero_batch(p.train_data->info(), p.experiment.train.batch_size);
  const StepGraph graph =
      observe_step(p.model, batch, [&p](const Batch& given) { return loss_sum(*p.task, p.model, given); });
  const std::string& title = p.experiment.name;
  if (file.empty()) {
    std::cout << to_dot(graph, title);
  } else if (file.ends_with(".json")) {
    io::write_file_atomically(file, to_json(graph, title));
  } else {
    const std::string dot = to_dot(graph, title);
    const std::string suffix = file.substr(file.rfind('.') + 1);
    io::write_file_atomically(file, suffix == "dot" ? dot : run_graphviz(dot, suffix));
  }
}

int run_graph(const Options& line) {
  return run_job([&](const World& world) -> int {
    const Prepared p =
        on_all_ranks(*world, [&] { return prepare(io::Config::load(line.config.file, line.config.overrides)); });
    if (world->rank() == 0) {
      write_graph(p, line.output);
    }
    return kDone;
  });
}

/// What is wrong with the name of a graph's file, if anything.
std::string picture_name(const std::string& file) {
  const auto ends = [&](const char* suffix) { return file.ends_with(suffix); };
  const auto known = {".dot", ".svg", ".png", ".pdf", ".json"};
  return std::any_of(known.begin(), known.end(), ends)
             ? ""
             : "'" + file + "': need a name that ends with .dot, .svg, .png, .pdf or .json";
}

}  // namespace

void add_graph(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* graph = app.add_subcommand("graph", "draw what a step of a configuration computes");
  add_config_source(graph, line->config);
  graph
      ->add_option("-o,--output", line->output,
                   "FILE.dot, FILE.svg, .png or .pdf (with Graphviz), or FILE.json; printed unless given")
      ->check(picture_name, "")
      ->type_name("FILE");
  graph->callback([line, &action] { action.run = [line] { return run_graph(*line); }; });
}

}  // namespace backflow::train
