#include <backflow/runtime/engine/traced_pass.h>

#include <utility>

#include <backflow/runtime/engine/critical_path.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/trace/trace_internal.h>

namespace backflow::trace {

TracedPass::TracedPass(WorkGraph graph, bool nested)
    : graph_(std::move(graph)), nanoseconds_(graph_.size()), start_(now()), nested_(nested) {}

void TracedPass::finish() const {
  if (nested_) {
    return;
  }
  const CriticalPath<ItemIndex> path = critical_path(graph_, nanoseconds_);
  Event event;
  event.name = "backward pass";
  event.kind = Kind::kPass;
  event.start = start_;
  event.work = path.work;
  event.critical = path.length;
  event.end = now();
  event.live_bytes = live_bytes();
  append(event);
}

}  // namespace backflow::trace
