#pragma once

#include <backflow/runtime/trace/trace.h>

namespace backflow::trace {

/// Appends an event of the calling thread.
void append(const Event& event);
Observer* observer();
/// How many operators and nodes the calling thread is inside of, while tracing is on.
int& depth();

}  // namespace backflow::trace
