#include <algorithm>
#include <string_view>

#include <backflow/distributed/calls/call_slices.h>
#include <backflow/distributed/calls/call_times_internal.h>
#include <backflow/distributed/calls/reduction_tag.h>
#include <backflow/distributed/calls/traffic.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tensor/dtype.h>
#include <backflow/runtime/trace/record_event.h>

namespace backflow::distributed {
namespace {

using Kind = MpiCall::Kind;

/// Of the call that this thread makes or, outside of calls, has made last.
struct ThisThread {
  bool in_call = false;
  std::uint32_t number = trace::kNoNode;
  std::int64_t mark = 0;  ///< what is before it has been recorded
};

ThisThread& this_thread() {
  static thread_local ThisThread state;
  return state;
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::AllReduce:
    case Kind::AllReduceAsync:
      return "all-reduce";
    case Kind::ReduceScatterAsync:
      return "reduce-scatter";
    case Kind::AllGatherAsync:
    case Kind::AllGather:
      return "all-gather";
    case Kind::Broadcast:
      return "broadcast";
    default:
      return "barrier";
  }
}

std::int64_t bytes_of(const MpiCall& call) {
  return call.count * static_cast<std::int64_t>(element_size(static_cast<ScalarType>(call.dtype)));
}

/// What each rank sends, on average over the ranks. Of texts nothing is known.
std::int64_t sent_bytes(const MpiCall& call, int ranks) {
  switch (call.kind) {
    case Kind::AllReduce:
    case Kind::AllReduceAsync:
      return all_reduce_traffic(bytes_of(call), ranks);
    case Kind::ReduceScatterAsync:
    case Kind::AllGatherAsync:
    case Kind::Broadcast:
      return bytes_of(call) * (ranks - 1) / ranks;
    default:
      return 0;
  }
}

enum class Nested : bool { No, Yes };

void record(std::string_view name, std::int64_t start, std::int64_t end, std::uint32_t number, std::int64_t bytes = 0,
            Nested nested = Nested::Yes) {
  trace::Event event;
  event.name = name;
  event.start = start;
  event.end = end;
  event.live_bytes = live_bytes();
  event.bytes = static_cast<double>(bytes);
  event.node = number;
  event.nested = nested == Nested::Yes;
  trace::record_event(event);
}

}  // namespace

CallTimes::CallTimes(const MpiCall& call, std::int64_t wanted, int ranks)
    : is_on_(trace::is_on()), call_(call), ranks_(ranks) {
  if (is_on_) [[unlikely]] {
    begin(wanted);
  }
}

CallTimes::~CallTimes() {
  if (is_on_) [[unlikely]] {
    end();
  }
}

void CallTimes::begin(std::int64_t wanted) {
  ThisThread& thread = this_thread();
  const std::int64_t from = std::max(wanted, thread.mark);
  start_ = trace::now();
  thread.in_call = true;
  thread.number = trace::kNoNode;
  if (call_.is_of_bucket()) {
    thread.number = ReductionTag::from(call_.tag).number();
  }
  thread.mark = start_;
  if (wanted != 0) {
    record(call_slices::kStart, from, start_, thread.number);
  }
}

void CallTimes::end() const {
  ThisThread& thread = this_thread();
  const std::int64_t now = trace::now();
  record(call_slices::kMove, thread.mark, now, thread.number, sent_bytes(call_, ranks_));
  record(name_of(call_.kind), start_, now, thread.number, bytes_of(call_), Nested::No);
  thread.mark = now;
  thread.in_call = false;
}

void ArrivalTime::record(std::int64_t arrived) const {
  ThisThread& thread = this_thread();
  if (!thread.in_call) {
    return;
  }
  const std::int64_t now = trace::now();
  const std::int64_t end = arrived != 0 ? std::clamp(arrived, since_, now) : now;
  if (since_ > thread.mark) {
    distributed::record(call_slices::kMove, thread.mark, since_, thread.number);
  }
  distributed::record(call_slices::kWait, since_, end, thread.number);
  thread.mark = end;
}

void CallerTime::record() const { distributed::record(call_slices::kBlocked, since_, trace::now(), trace::kNoNode); }

void MoveSlice::begin(std::uint32_t number) {
  number_ = number;
  start_ = trace::now();
}

void MoveSlice::end() const {
  const std::int64_t now = trace::now();
  record(call_slices::kMove, start_, now, number_);
  this_thread().mark = now;
}

}  // namespace backflow::distributed
