#pragma once

#include <backflow/runtime/threads/threads.h>

namespace backflow {

/// A thread whose stack holds this many nested calls moves the next one to a fresh stack.
inline constexpr int kMaxNested = 48;

/// Calls `body`, which may come back here without end: a backward inside of a backward, a checkpointed segment inside
/// of one. Past a fixed depth it runs on a fresh stack, with this thread's settings, sequence numbers included.
void run_nested(FunctionRef<void()> body);

}  // namespace backflow
