#include <cstdio>
#include <thread>

#include <backflow/distributed/calls/process_state_internal.h>
#include <backflow/distributed/calls/reduction_tag.h>
#include <backflow/distributed/calls/wait_watch_internal.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/base/warning.h>

namespace backflow::distributed {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr Seconds kShortWait{1};  ///< in which no rank is suspected

/// For a rank that has died: its launcher ends the job and says why, which is sooner and better than what we know.
constexpr Seconds kLauncherSpeaks{2};
/// For a rank that tells of a failure to end the job; so long the others keep silent.
constexpr Seconds kOtherSpeaks{10};

const char* state_text(ProcessState state) {
  switch (state) {
    case ProcessState::Stopped:
      return ", which is stopped";
    case ProcessState::Gone:
      return ", which has died";
    default:
      return "";
  }
}

/// "rank 1 (process 4711, which is stopped), rank 3 (process 4713)"
std::string text_of(const std::vector<AwaitedRank>& ranks) {
  constexpr std::size_t kNamed = 4;
  std::string text;
  for (std::size_t i = 0; i < ranks.size() && i < kNamed; ++i) {
    text += to_text(i > 0 ? ", " : "", "rank ", ranks[i].rank);
    if (ranks[i].process > 0) {
      text += to_text(" (process ", ranks[i].process, state_text(process_state(ranks[i].process)), ")");
    }
  }
  if (ranks.size() > kNamed) {
    text += to_text(" and ", ranks.size() - kNamed, " more");
  }
  return ranks.empty() ? "another rank" : text;
}

bool any_is(const std::vector<AwaitedRank>& ranks, ProcessState state) {
  for (const AwaitedRank& rank : ranks) {
    if (rank.process > 0 && process_state(rank.process) == state) {
      return true;
    }
  }
  return false;
}

std::string rounded(Seconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f s", time.count() < 10 ? 1 : 0, time.count());
  return text;
}

}  // namespace

std::string WaitRules::describe(const MpiCall& made) const {
  const std::int64_t at = (step_of_original != nullptr ? *step_of_original : step).load(std::memory_order_relaxed);
  std::string text = at >= 0 ? to_text("step ", at, ", ") : "";
  if (made.is_of_bucket()) {
    text += ReductionTag::from(made.tag).bucket_text() + ", ";
  }
  return text + made.text();
}

std::vector<AwaitedRank> WaitWatch::missing() const {
  std::vector<AwaitedRank> ranks = awaited_();
  return ranks.empty() ? rules_.absent() : ranks;
}

std::string WaitWatch::who_and_what() const { return to_text(text_of(missing()), " in ", rules_.describe(call_)); }

void WaitWatch::look() {
  rules_.still_wanted();
  const Clock::time_point now = Clock::now();
  const Seconds waited = now - start_;
  const WaitLimits& limits = rules_.limits;
  if (waited.count() >= limits.timeout_s + late_.count()) {
    fail_once(to_text("communicator: waited ", rounded(waited), " for ", who_and_what(),
                      ": need every rank within distributed.timeout_s"));
  }
  const bool is_long = waited.count() >= limits.warn_s + late_.count();
  if (is_long && !warned_) {
    warned_ = true;
    if (may_warn_()) {
      const std::string message = to_text("waiting for ", who_and_what(), ", for ", rounded(waited), " so far");
      limits.warn ? limits.warn(message) : warn(message);
    }
  }
  const bool is_stopping = limits.stop_requested && limits.stop_requested();
  if (is_stopping && (is_long || any_is(missing(), ProcessState::Stopped))) {
    fail_once(to_text("communicator: stopped by a signal while waiting for ", who_and_what()));
  }
  if ((waited < kShortWait && !is_stopping) || !any_is(missing(), ProcessState::Gone)) {
    gone_since_ = {};
  } else if (gone_since_ == Clock::time_point{} && !is_stopping) {
    gone_since_ = now;
  } else if (is_stopping || now - gone_since_ >= kLauncherSpeaks) {  // a launcher's SIGTERM: little time is left
    fail_once(to_text("communicator: waiting in vain for ", who_and_what()));
  }
}

void WaitWatch::fail_once(const std::string& message) const {
  if (!may_fail_()) {
    const Clock::time_point begin = Clock::now();
    while (Clock::now() - begin < kOtherSpeaks) {
      rules_.still_wanted();
      std::this_thread::sleep_for(kNap);
    }
  }
  throw UnusableError(message);
}

}  // namespace backflow::distributed
