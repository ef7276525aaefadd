#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <backflow/runtime/trace/trace.h>

namespace backflow::io {

/// Writes what trace::collect() gave as JSON in the Trace Event Format, which ui.perfetto.dev and chrome://tracing
/// show: a process for the rank with a row for each thread, a slice for each event, whose "args" hold shapes, FLOP,
/// bytes and GFLOP/s, and a counter "live tensors" in bytes. Times are microseconds of the host's monotonic clock, so
/// that the files of ranks on one host can be laid over each other; "otherData" has the number of dropped events.
/// Written by way of AtomicFile. Throws Error.
void write_trace(const std::string& path, std::span<const trace::ThreadEvents> threads, int rank);

}  // namespace backflow::io
