#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <backflow/distributed/communicator.h>
#include <backflow/train/batch_step.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/data/prefetcher.h>

namespace backflow::train {

/// The training step of an experiment on the first batch of its data, again and again, with a learning rate of 0: for
/// looks at its time.
class ProfiledStep {
 public:
  /// Collective. Keeps references to experiment, task, model and data.
  ProfiledStep(const Experiment& experiment, const Task& task, const Model& model, const BatchMaker& data,
               std::shared_ptr<distributed::Communicator> world);

  /// Where the time of so many steps goes on this rank, operator by operator and, of several ranks, in communication.
  /// Collective.
  std::string profile(std::int64_t steps);
  /// In a world of one: how fast the step would be on 1 to 128 cores, and what limits it. `bandwidth`:
  /// Machine::bandwidth_limit.
  std::string on_cores(double bandwidth);

 private:
  void run(const Batch& samples) { step_->run(number_++, batch_, samples); }
  BatchRequest request() const;
  Batch make_batch() const;

  const BatchMaker& data_;
  std::shared_ptr<distributed::Communicator> world_;
  std::unique_ptr<BatchStep> step_;
  distributed::LocalBatch batch_;
  Prefetcher::Options prefetch_;
  std::int64_t number_ = 0;
};

}  // namespace backflow::train
