#include <backflow/train/commands/commands.h>

namespace backflow::train {

void add_commands(CLI::App& app, Action& action) {
  for (const auto add : {add_train, add_profile, add_evaluate, add_predict, add_inspect, add_convert, add_config,
                         add_graph, add_ops, add_report, add_sweep}) {
    add(app, action);
  }
}

}  // namespace backflow::train
