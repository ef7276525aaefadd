#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <backflow/runtime/trace/trace.h>

namespace backflow::io {

/// Writes the events of trace::collect() as JSON in the Trace Event Format, which ui.perfetto.dev and chrome://tracing
/// show. The rank is a process with a row for each thread. Each event is a slice; its "args" hold shapes, FLOP, bytes
/// and GFLOP/s. A counter "live tensors" is in bytes. Times are microseconds of the host's monotonic clock, so files of
/// ranks on one host can be opened together. "otherData" has the number of dropped events. Written with AtomicFile.
/// Throws Error.
void write_trace(const std::string& path, std::span<const trace::ThreadEvents> threads, int rank);

}  // namespace backflow::io
