#pragma once

#include <cstdint>

#include <backflow/distributed/calls/call_slices.h>
#include <backflow/distributed/calls/mpi_call_internal.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::distributed {

/// Records the collective call that this thread makes, from here to the end of the scope: the call as a slice, and in
/// it slices for waiting and moving, which together fill it. While tracing is off it costs one branch. A communication
/// thread has at most one at a time.
class CallTimes {
 public:
  /// `wanted`: when the program wanted the call, 0 if tracing was off then. `ranks` take part.
  CallTimes(const MpiCall& call, std::int64_t wanted, int ranks);
  ~CallTimes();
  CallTimes(const CallTimes&) = delete;
  CallTimes& operator=(const CallTimes&) = delete;

  /// For the argument `wanted`.
  static std::int64_t now_if_traced() { return trace::is_on() ? trace::now() : 0; }

 private:
  void begin(std::int64_t wanted);
  void end() const;

  const bool is_on_;
  const MpiCall call_;
  const int ranks_;
  std::int64_t start_ = 0;
};

/// The wait for other ranks inside of a call. Outside of CallTimes it records nothing.
class ArrivalTime {
 public:
  ArrivalTime() : since_(CallTimes::now_if_traced()) {}
  /// The last rank arrived at `arrived`, by the clock that the processes of a node share; 0: that is not known, and
  /// taken to be now.
  void end(std::int64_t arrived = 0) const {
    if (since_ != 0) [[unlikely]] {
      record(arrived);
    }
  }

 private:
  void record(std::int64_t arrived) const;

  std::int64_t since_;
};

/// On a thread of the program: from here to the end of the scope it does nothing but wait for a call that it has made.
class CallerTime {
 public:
  CallerTime() : since_(CallTimes::now_if_traced()) {}
  ~CallerTime() {
    if (since_ != 0) [[unlikely]] {
      record();
    }
  }
  CallerTime(const CallerTime&) = delete;
  CallerTime& operator=(const CallerTime&) = delete;

  /// When it began; 0 while tracing is off.
  std::int64_t since() const { return since_; }

 private:
  void record() const;

  std::int64_t since_;
};

}  // namespace backflow::distributed
