#pragma once

#include <backflow/runtime/trace/append.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::trace {

Observer* observer();
/// How many operators and nodes the calling thread is inside of, while tracing is on.
int& depth();

}  // namespace backflow::trace
