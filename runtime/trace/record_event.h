#pragma once

#include <backflow/runtime/trace/trace.h>

namespace backflow::trace {

/// Records an event of the calling thread, for slices that Span cannot tell of. To be called while is_on(). The events
/// of a thread have to nest, and to be recorded in the order in which they ended.
void record_event(const Event& event);

}  // namespace backflow::trace
