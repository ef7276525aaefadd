#include <backflow/distributed/buckets/bucket_plan.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace backflow::distributed {
namespace {

constexpr std::int64_t kAlignment = 64;

struct Open {
  BucketPlan plan;
  std::size_t bytes = 0;
  std::size_t last = 0;  ///< the position of its last parameter in the order
  bool first = true;     ///< no bucket of this dtype has been closed yet
};

struct Closed {
  BucketPlan plan;
  std::size_t last;
};

void append(BucketPlan& plan, std::size_t parameter, std::int64_t numel, const ChannelBlocks& blocks) {
  const std::int64_t step = kAlignment / static_cast<std::int64_t>(element_size(plan.dtype));
  plan.slots.push_back({parameter, plan.numel, numel, blocks});
  plan.numel += (numel + step - 1) / step * step;
}

Closed close(Open& bucket) {
  bucket.plan.numel += static_cast<std::int64_t>(bucket.plan.slots.size());
  bucket.bytes = 0;
  bucket.first = false;
  return {std::exchange(bucket.plan, {bucket.plan.dtype, {}, 0}), bucket.last};
}

}  // namespace

ParameterOrder reverse_order(std::size_t parameters) {
  ParameterOrder order(parameters);
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  return order;
}

std::vector<BucketPlan> plan_buckets(std::span<const Tensor> parameters, const BucketLimits& limits,
                                     std::span<const std::size_t> order, std::span<const ChannelBlocks> blocks) {
  std::vector<Closed> closed;
  std::vector<Open> open;
  for (std::size_t position = 0; position < order.size(); ++position) {
    const Tensor& parameter = parameters[order[position]];
    auto at = std::find_if(open.begin(), open.end(),
                           [&](const Open& bucket) { return bucket.plan.dtype == parameter.scalar_type(); });
    if (at == open.end()) {
      at = open.insert(open.end(), Open{{parameter.scalar_type(), {}, 0}});
    }
    const auto limit = [&] { return at->first ? limits.first_bytes : limits.bytes; };
    if (!at->plan.slots.empty() && at->bytes + parameter.nbytes() > limit()) {
      closed.push_back(close(*at));
    }
    append(at->plan, order[position], parameter.numel(), blocks.empty() ? ChannelBlocks() : blocks[order[position]]);
    at->bytes += parameter.nbytes();
    at->last = position;
    if (at->bytes >= limit()) {
      closed.push_back(close(*at));
    }
  }
  for (Open& bucket : open) {
    if (!bucket.plan.slots.empty()) {
      closed.push_back(close(bucket));
    }
  }
  // A bucket is ready when the last of its parameters is.
  std::stable_sort(closed.begin(), closed.end(), [](const Closed& a, const Closed& b) { return a.last < b.last; });
  std::vector<BucketPlan> plans;
  for (Closed& bucket : closed) {
    plans.push_back(std::move(bucket.plan));
  }
  return plans;
}

std::vector<BucketPlan> plan_buckets(std::span<const Tensor> parameters, const BucketLimits& limits) {
  return plan_buckets(parameters, limits, reverse_order(parameters.size()));
}

double mean_wait(std::span<const BucketPlan> plans, std::span<const Tensor> parameters,
                 std::span<const std::size_t> completed) {
  std::vector<double> complete_at(parameters.size(), 0);
  double all = 0;
  for (const std::size_t parameter : completed) {
    all += static_cast<double>(parameters[parameter].nbytes());
    complete_at[parameter] = all;
  }
  double sent_at = 0;  // buckets are sent in their order
  double waited = 0;
  double sent = 0;
  for (const BucketPlan& plan : plans) {
    for (const BucketSlot& slot : plan.slots) {
      sent_at = std::max(sent_at, complete_at[slot.parameter]);
    }
    const double bytes = static_cast<double>(plan.numel) * static_cast<double>(element_size(plan.dtype));
    waited += bytes * sent_at;
    sent += bytes;
  }
  return all > 0 ? waited / (sent * all) : 0;
}

}  // namespace backflow::distributed
