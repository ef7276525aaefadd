#pragma once

#include <span>

#include <backflow/runtime/engine/pass_task.h>
#include <backflow/runtime/engine/plan.h>
#include <backflow/runtime/engine/work_graph.h>

namespace backflow {

/// The work of a pass: the nodes of the plan, then the tasks, with their estimated costs. Throws Error for a task that
/// waits for itself or for one behind it.
WorkGraph work_of(const Plan& plan, std::span<const PassTask> tasks);

}  // namespace backflow
