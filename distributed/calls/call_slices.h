#pragma once

#include <cstdint>
#include <string_view>

#include <backflow/runtime/trace/trace.h>

namespace backflow::distributed {

/// What a trace shows of collective calls, on the row of the communication thread. A call is a slice of its kind,
/// "all-reduce", whose bytes are those of its tensor. What it consists of are slices of kWait and kMove, which fill it.
/// All of them have a trace::BucketNumber in Event::node, or trace::kNoNode.
namespace call_slices {

/// Before a call: from the time when it was wanted, or from the end of the call before, until the thread begins with
/// it.
inline constexpr std::string_view kStart = "start";
/// From the arrival of this rank at the call to that of the last one. Where ranks meet by MPI and not in shared memory,
/// the round trip of their messages is a part of it.
inline constexpr std::string_view kWait = "wait for ranks";
/// The rest: copying, summing, sending, with what others do for this rank. The last one of a call has as bytes what
/// this rank sends at least, see BucketTraffic. After a call it is what brings the sums to where gradients are.
inline constexpr std::string_view kMove = "move";
/// On other threads: blocked in a call that it has made.
inline constexpr std::string_view kBlocked = "wait for communication";

}  // namespace call_slices

/// The time from here to the end of the scope as a slice "move" of a bucket, for what follows a call on the
/// communication thread.
class MoveSlice {
 public:
  /// `number`: see trace::BucketNumber.
  explicit MoveSlice(std::uint32_t number) : is_on_(trace::is_on()) {
    if (is_on_) [[unlikely]] {
      begin(number);
    }
  }
  ~MoveSlice() {
    if (is_on_) [[unlikely]] {
      end();
    }
  }
  MoveSlice(const MoveSlice&) = delete;
  MoveSlice& operator=(const MoveSlice&) = delete;

 private:
  void begin(std::uint32_t number);
  void end() const;

  bool is_on_;
  std::uint32_t number_ = trace::kNoNode;
  std::int64_t start_ = 0;
};

}  // namespace backflow::distributed
