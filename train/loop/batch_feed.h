#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include <backflow/distributed/sampler.h>
#include <backflow/train/batch_step.h>
#include <backflow/train/data/prefetcher.h>
#include <backflow/train/experiment.h>
#include <backflow/train/run/run_position.h>

namespace backflow::train {

/// How a run draws its samples, for the rank and the number of ranks of BatchStep::place().
distributed::SamplerOptions sampling_of_run(const Experiment& experiment, const BatchMaker& data,
                                            std::pair<int, int> place);

/// The batches of a run, one after the other, made ahead in the background.
class BatchFeed {
 public:
  /// From `start` on, `steps` batches. Keeps references to sampler and step.
  BatchFeed(const BatchMaker& data, const distributed::ShardedSampler& sampler, const BatchStep& step,
            const RunPosition& start, std::int64_t steps, Prefetcher::Options prefetch = {});

  struct Next {
    distributed::LocalBatch batch;
    Batch samples;  ///< those that this rank needs
  };
  /// Throws what making the batch threw.
  Next next();
  /// How long next() has waited for data, all calls together.
  double stall_seconds() const { return prefetcher_.stall_seconds(); }

 private:
  std::optional<BatchRequest> request();

  const distributed::ShardedSampler& sampler_;
  const BatchStep& step_;
  RunPosition position_;
  std::int64_t left_;
  std::mutex mutex_;                               // guards what follows
  std::deque<distributed::LocalBatch> requested_;  // and not taken yet
  Prefetcher prefetcher_;                          // the last, since it calls request()
};

}  // namespace backflow::train
