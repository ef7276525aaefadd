#include <backflow/distributed/buckets/plan_watch.h>

#include <algorithm>
#include <utility>

namespace backflow::distributed {
namespace {

constexpr std::int64_t kWatchEvery = 100;  // passes
constexpr double kMostWait = 0.05;         // more than with a new plan
constexpr std::int64_t kNotReached = -1;

/// Rank 0's order on every rank.
ParameterOrder order_of_first(ParameterOrder order, std::size_t parameters, Communicator& communicator) {
  const Tensor message = empty_tensor({static_cast<std::int64_t>(parameters)}, kInt64);
  const std::span<std::int64_t> numbers(message.mutable_data_ptr<std::int64_t>(), parameters);
  std::fill(std::copy(order.begin(), order.end(), numbers.begin()), numbers.end(), kNotReached);
  communicator.broadcast(message);
  order.assign(numbers.begin(), std::find(numbers.begin(), numbers.end(), kNotReached));
  return order;
}

/// `seen`, then the others in reverse order.
ParameterOrder completed(const ParameterOrder& seen, std::size_t parameters) {
  ParameterOrder order = seen;
  for (const std::size_t i : reverse_order(parameters)) {
    if (std::find(seen.begin(), seen.end(), i) == seen.end()) {
      order.push_back(i);
    }
  }
  return order;
}

}  // namespace

PlanWatch::PlanWatch(std::vector<Tensor> parameters, const BucketLimits& limits)
    : parameters_(std::move(parameters)), limits_(limits), order_(parameters_) {}

void PlanWatch::begin_pass() {
  watched_ = std::exchange(due_, false) || ++passes_ % kWatchEvery == 0;
  if (watched_) {
    order_.watch();
  }
}

void PlanWatch::end_pass() { order_.stop(); }

std::optional<ParameterOrder> PlanWatch::new_order(std::span<const BucketPlan> plans, Communicator& communicator) {
  if (!std::exchange(watched_, false)) {
    return std::nullopt;
  }
  const ParameterOrder seen = order_of_first(order_.seen(), parameters_.size(), communicator);
  if (seen.empty()) {  // rank 0 had no sample
    due_ = true;
    return std::nullopt;
  }
  return judge(plans, seen);
}

std::optional<ParameterOrder> PlanWatch::judge(std::span<const BucketPlan> plans, const ParameterOrder& seen) {
  const ParameterOrder order = completed(seen, parameters_.size());
  const std::vector<BucketPlan> planned = plan_buckets(parameters_, limits_, order);
  std::vector<bool> reached(parameters_.size(), false);
  for (const std::size_t i : seen) {
    reached[i] = true;
  }
  const bool differs =
      reached != reached_ || mean_wait(plans, parameters_, seen) > mean_wait(planned, parameters_, seen) + kMostWait;
  const bool again = is_first_ || (differs && suspected_);
  due_ = differs && !again;
  suspected_ = due_;
  if (!again) {
    return std::nullopt;
  }
  is_first_ = false;
  reached_ = reached;
  return std::equal(planned.begin(), planned.end(), plans.begin(), plans.end()) ? std::nullopt : std::optional(order);
}

}  // namespace backflow::distributed
