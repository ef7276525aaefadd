#pragma once

namespace backflow::distributed {

/// The work of a task of a pass (PassTask::work) that reads and writes so many bytes: nanoseconds of memory on one
/// core.
inline float memory_work(double bytes) {
  constexpr double kBytesPerNanosecond = 10;
  return static_cast<float>(bytes / kBytesPerNanosecond);
}

}  // namespace backflow::distributed
