#include <backflow/distributed/sampler.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/base/philox.h>

namespace backflow::distributed {
namespace {

/// Keeps the sampler's random stream apart from others of the same seed.
constexpr std::uint64_t kStream = std::uint64_t{0x5a11} << 48;

std::vector<std::int64_t> in_order(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

std::vector<std::int64_t> shuffled(std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
  auto order = in_order(n);
  PhiloxStream random(seed, kStream | static_cast<std::uint64_t>(epoch));
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.below(i)]);
  }
  return order;
}

ShardedSampler::ShardedSampler(const SamplerOptions& options) : options_(options) {
  check(options.dataset_size >= 0, "sampler: data set of ", options.dataset_size, " samples: need 0 or more");
  check(options.batch_size >= 1, "sampler: batch_size ", options.batch_size, ": need at least 1");
  check(options.size >= 1, "sampler: ", options.size, " ranks: need at least 1");
  check(options.rank >= 0 && options.rank < options.size, "sampler: rank ", options.rank, ": need one in [0, ",
        options.size, ")");
}

std::int64_t ShardedSampler::steps_per_epoch() const {
  const std::int64_t full = options_.dataset_size / options_.batch_size;
  const bool partial = options_.dataset_size % options_.batch_size != 0;
  return full + (partial && !options_.drop_last ? 1 : 0);
}

LocalBatch ShardedSampler::batch(std::int64_t epoch, std::int64_t step) const {
  check(epoch >= 0, "sampler: epoch ", epoch, ": need 0 or more");
  check(step >= 0 && step < steps_per_epoch(), "sampler: step ", step, ": need one in [0, ", steps_per_epoch(), ")");
  const Order order = order_of(epoch);
  const std::int64_t begin = step * options_.batch_size;
  LocalBatch out;
  out.epoch = epoch;
  out.global_n = std::min(options_.batch_size, options_.dataset_size - begin);
  const std::int64_t first = begin + out.global_n * options_.rank / options_.size;
  const std::int64_t last = begin + out.global_n * (options_.rank + 1) / options_.size;
  out.indices.assign(order->begin() + first, order->begin() + last);
  return out;
}

ShardedSampler::Order ShardedSampler::order_of(std::int64_t epoch) const {
  const std::lock_guard lock(mutex_);
  const bool changes = options_.shuffle || options_.order;
  const bool same = changes ? epoch == epoch_ : order_ != nullptr;
  if (!same) {
    auto order = options_.order     ? options_.order(epoch)
                 : options_.shuffle ? shuffled(options_.dataset_size, options_.seed, epoch)
                                    : in_order(options_.dataset_size);
    check(static_cast<std::int64_t>(order.size()) == options_.dataset_size, "sampler: an order of ", order.size(),
          " samples: need ", options_.dataset_size);
    order_ = std::make_shared<const std::vector<std::int64_t>>(std::move(order));
    epoch_ = epoch;
  }
  return order_;
}

}  // namespace backflow::distributed
