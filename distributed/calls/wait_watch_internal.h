#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/distributed/calls/mpi_call_internal.h>
#include <backflow/distributed/wait_limits.h>
#include <backflow/runtime/base/error.h>

namespace backflow::distributed {

/// After it nothing more can be expected of the communicator: an Error of MPI itself, or a rank that did not come.
class UnusableError : public Error {
 public:
  using Error::Error;
};

/// A rank that is waited for.
struct AwaitedRank {
  int rank = 0;
  std::int32_t process = 0;  ///< on this machine; 0 when it is on another
};

/// What all waits of a communicator have in common. Of the communication thread, but for `step`.
struct WaitRules {
  WaitLimits limits{};
  std::function<void()> still_wanted = [] {};  ///< throws when this rank gives up
  /// Who may be to blame where a wait does not know: ranks that are stopped or have died. Empty when that is not known.
  std::function<std::vector<AwaitedRank>()> absent = [] { return std::vector<AwaitedRank>(); };
  /// Whether the thread of a call has nothing else to do, so that it may look often before it sleeps.
  std::function<bool()> is_idle = [] { return false; };
  MpiCall call{};                                               ///< that is being made
  std::atomic<std::int64_t> step{-1};                           ///< that the program is at; -1 when it has not said
  const std::atomic<std::int64_t>* step_of_original = nullptr;  ///< of a duplicate, which is not told the step

  /// "step 12, bucket 3, all_reduce_async f32[1000]"
  std::string describe(const MpiCall& made) const;
};

/// Looks after one wait: whoever waits calls look() now and then.
class WaitWatch {
 public:
  /// The ranks that have not come yet. Empty when that is not known.
  using Awaited = std::function<std::vector<AwaitedRank>()>;
  /// Of all ranks of a node that wait, the first one may speak: true for it alone.
  using Claim = std::function<bool()>;

  /// The nap between two looks. What happens to a rank meanwhile is noticed so much later.
  static constexpr std::chrono::milliseconds kNap{50};

  using Late = std::chrono::duration<double>;

  /// `late`: how much later than its limits this wait speaks, so that those who know more speak first.
  WaitWatch(const WaitRules& rules, const MpiCall& call, Awaited awaited, Claim may_warn, Claim may_fail,
            Late late = Late(0))
      : rules_(rules),
        call_(call),
        awaited_(std::move(awaited)),
        may_warn_(std::move(may_warn)),
        may_fail_(std::move(may_fail)),
        late_(late) {}

  /// Says whom this rank waits for when that takes long. Throws Error when it takes too long, when a rank that is
  /// waited for has died, and when the program is to stop; whatever still_wanted throws.
  void look();

 private:
  using Clock = std::chrono::steady_clock;

  std::vector<AwaitedRank> missing() const;
  std::string who_and_what() const;
  [[noreturn]] void fail_once(const std::string& message) const;

  const WaitRules& rules_;
  const MpiCall call_;
  const Awaited awaited_;
  const Claim may_warn_;
  const Claim may_fail_;
  const Late late_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point gone_since_{};  ///< since when a rank that is waited for has been gone
  bool warned_ = false;
};

}  // namespace backflow::distributed
