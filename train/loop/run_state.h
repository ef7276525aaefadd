#pragma once

#include <cstdint>
#include <memory>

#include <backflow/distributed/communicator.h>
#include <backflow/distributed/sampler.h>
#include <backflow/io/dump.h>
#include <backflow/io/shared_dump.h>
#include <backflow/train/batch_step.h>
#include <backflow/train/loop/loop_control.h>
#include <backflow/train/run/run_clock.h>
#include <backflow/train/trainer.h>

namespace backflow::train {

/// The parts of a run that have a state.
struct StatefulParts {
  const Model& model;
  BatchStep& step;
  const distributed::ShardedSampler& sampler;
  const RunClock& clock;
  LoopControl& control;
};

/// What a run goes on from: gathered from its parts, and compared over the ranks. It is complete between two steps,
/// when no gradient is being added up, no bucket is on its way, and generators are seeded by the step that comes.
class RunState {
 public:
  /// Keeps references.
  RunState(const Experiment& experiment, const RunOptions& options, const StatefulParts& parts,
           distributed::Communicator& world)
      : experiment_(experiment), options_(options), parts_(parts), world_(world) {}

  /// Gives the optimizer and the loop the state of a dump; the model has its own already. Collective.
  void load(const io::Dump& start);
  /// What this rank has of the model and of the optimizer's state. Tensors are shared.
  io::Dump own() const;
  /// All of it on rank 0, checked to be finite, and nothing elsewhere. Tensors that need no gathering are shared with
  /// the run. Throws Error when the ranks differ, or for elements that are not finite. Collective.
  io::Dump full();
  /// The tensors of full() that are shared with the run, on any rank. Nothing is gathered, checked or changed.
  io::Dump shared() const;
  /// What this rank has of the same, for a dump that all ranks write. Nothing is gathered. Otherwise as full().
  io::SharedDump share();
  /// Whether all ranks still have the same, if that is asked for and was not looked at after this step. Collective.
  void check_replicas();

 private:
  io::Dump without_optimizer() const;

  const Experiment& experiment_;
  const RunOptions& options_;
  const StatefulParts parts_;
  distributed::Communicator& world_;
  std::int64_t checked_ = -1;  ///< the step after which the ranks have compared their models last
};

}  // namespace backflow::train
