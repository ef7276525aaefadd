#include <latch>
#include <vector>

#include <backflow/runtime/engine.h>

namespace backflow {

void SerialEngine::execute(Execution& pass) {
  std::latch tasks_left(static_cast<std::ptrdiff_t>(pass.num_tasks()));
  std::vector<std::size_t> missing(pass.num_tasks());
  std::vector<std::vector<std::size_t>> tasks_after(pass.plan().nodes().size());
  const auto start = [&](std::size_t task) { pass.start_task(task, [&] { tasks_left.count_down(); }); };

  for (std::size_t task = 0; task < pass.num_tasks(); ++task) {
    missing[task] = pass.task_dependencies(task).size();
    for (const std::uint32_t node : pass.task_dependencies(task)) {
      tasks_after[node].push_back(task);
    }
    if (missing[task] == 0) {
      start(task);
    }
  }
  for (std::uint32_t node = 0; node < pass.plan().nodes().size(); ++node) {
    pass.run(node);
    for (const std::size_t task : tasks_after[node]) {
      if (--missing[task] == 0) {
        start(task);
      }
    }
  }
  tasks_left.wait();
}

}  // namespace backflow
