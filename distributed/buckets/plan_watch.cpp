#include <backflow/distributed/buckets/plan_watch.h>

#include <algorithm>
#include <utility>

namespace backflow::distributed {
namespace {

constexpr std::int64_t kWatchEvery = 100;  // passes
constexpr double kMostWait = 0.05;         // more than with a new plan
constexpr std::int64_t kNotReached = -1;

/// What rank 0 has seen, on every rank: of each parameter its place in the order, then its blocks.
GradientPattern pattern_of_first(const GradientPattern& own, Communicator& communicator) {
  constexpr std::size_t kNumbers = 1 + sizeof(ChannelBlocks) / sizeof(std::int64_t);
  const std::size_t parameters = own.blocks.size();
  const Tensor message = empty_tensor({static_cast<std::int64_t>(kNumbers * parameters)}, kInt64);
  const std::span<std::int64_t> numbers(message.mutable_data_ptr<std::int64_t>(), kNumbers * parameters);
  const std::span<std::int64_t> order = numbers.first(parameters);
  const auto blocks = std::as_writable_bytes(numbers.subspan(parameters));
  std::fill(std::copy(own.order.begin(), own.order.end(), order.begin()), order.end(), kNotReached);
  std::ranges::copy(std::as_bytes(std::span(own.blocks)), blocks.begin());
  communicator.broadcast(message);
  GradientPattern first{{order.begin(), std::find(order.begin(), order.end(), kNotReached)},
                        GradientBlocks(parameters)};
  std::ranges::copy(blocks, std::as_writable_bytes(std::span(first.blocks)).begin());
  return first;
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

PlanWatch::PlanWatch(std::vector<Tensor> parameters, const BucketLimits& limits, Blocks blocks)
    : parameters_(std::move(parameters)),
      limits_(limits),
      kept_(blocks),
      order_(parameters_),
      blocks_(parameters_.size()) {}

void PlanWatch::begin_pass() {
  watched_ = std::exchange(due_, false) || ++passes_ % kWatchEvery == 0;
  if (watched_) {
    order_.watch();
  }
}

void PlanWatch::end_pass() { order_.stop(); }

std::optional<GradientPattern> PlanWatch::new_pattern(std::span<const BucketPlan> plans, Communicator& communicator) {
  if (!std::exchange(watched_, false)) {
    return std::nullopt;
  }
  const GradientPattern own{order_.seen(),
                            kept_ == Blocks::Kept ? order_.blocks() : GradientBlocks(parameters_.size())};
  const GradientPattern seen = pattern_of_first(own, communicator);
  if (seen.order.empty()) {  // rank 0 had no sample
    due_ = true;
    return std::nullopt;
  }
  return judge(plans, seen);
}

std::optional<GradientPattern> PlanWatch::judge(std::span<const BucketPlan> plans, const GradientPattern& seen) {
  const GradientPattern next{completed(seen.order, parameters_.size()), seen.blocks};
  const std::vector<BucketPlan> planned = plan_buckets(parameters_, limits_, next.order, next.blocks);
  std::vector<bool> reached(parameters_.size(), false);
  for (const std::size_t i : seen.order) {
    reached[i] = true;
  }
  const bool differs =
      reached != reached_ || seen.blocks != blocks_ ||
      mean_wait(plans, parameters_, seen.order) > mean_wait(planned, parameters_, seen.order) + kMostWait;
  const bool again = is_first_ || (differs && suspected_);
  due_ = differs && !again;
  suspected_ = due_;
  if (!again) {
    return std::nullopt;
  }
  is_first_ = false;
  reached_ = reached;
  blocks_ = seen.blocks;
  return std::equal(planned.begin(), planned.end(), plans.begin(), plans.end()) ? std::nullopt : std::optional(next);
}

}  // namespace backflow::distributed
