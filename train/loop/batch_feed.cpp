#include <backflow/train/loop/batch_feed.h>

#include <optional>
#include <utility>

#include <backflow/train/data/sample_order.h>

namespace backflow::train {

distributed::SamplerOptions sampling_of_run(const Experiment& experiment, const BatchMaker& data,
                                            std::pair<int, int> place) {
  auto options =
      sampler_options(data, experiment.data, experiment.train.batch_size, static_cast<std::uint64_t>(experiment.seed));
  options.drop_last = experiment.train.drop_last;
  options.rank = place.first;
  options.size = place.second;
  return options;
}

BatchFeed::BatchFeed(const BatchMaker& data, const distributed::ShardedSampler& sampler, const BatchStep& step,
                     const RunPosition& start, std::int64_t steps, Prefetcher::Options prefetch)
    : sampler_(sampler),
      step_(step),
      position_(start),
      left_(sampler.steps_per_epoch() > 0 ? steps : 0),
      prefetcher_(
          data, [this] { return request(); }, prefetch) {}

std::optional<BatchRequest> BatchFeed::request() {
  if (left_ <= 0) {
    return std::nullopt;
  }
  --left_;
  if (position_.steps >= sampler_.steps_per_epoch()) {
    position_ = {.epoch = position_.epoch + 1};
  }
  distributed::LocalBatch batch = sampler_.batch(position_.epoch, position_.steps++);
  BatchRequest request{.indices = step_.needed(batch), .epoch = position_.epoch};
  const std::lock_guard lock(mutex_);
  requested_.push_back(std::move(batch));
  return request;
}

BatchFeed::Next BatchFeed::next() {
  Batch samples = prefetcher_.next();
  const std::lock_guard lock(mutex_);
  Next next{std::move(requested_.front()), std::move(samples)};
  requested_.pop_front();
  return next;
}

}  // namespace backflow::train
