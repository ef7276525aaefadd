#include <backflow/runtime/trace/record_event.h>
#include <backflow/runtime/trace/trace_internal.h>

namespace backflow::trace {

void record_event(const Event& event) { append(event); }

}  // namespace backflow::trace
