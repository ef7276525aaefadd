#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <backflow/distributed/buffer_combiner.h>
#include <backflow/distributed/data_parallel.h>
#include <backflow/distributed/training_step.h>
#include <backflow/train/batch_step.h>

namespace backflow::train {

/// A step of a GAN: the discriminator learns to tell the samples from as many that the generator makes, then the
/// generator to make ones that it takes for samples. Each has an optimizer and gradient buckets of its own. The loss of
/// the step is the generator's; the discriminator's is "discriminator_loss". Goodfellow et al.: "Generative adversarial
/// nets", NeurIPS 2014.
class GanStep final : public BatchStep {
 public:
  GanStep(const Experiment& experiment, const Task& task, const Model& model,
          std::shared_ptr<distributed::Communicator> world);

  std::pair<int, int> place() const override { return {world_->rank(), world_->size()}; }
  StepResult run(std::int64_t step, const distributed::LocalBatch& batch, const Batch& samples) override;
  double grad_norm() const override { return generator_.step.grad_norm(); }
  std::vector<optim::Optimizer*> optimizers() override;
  io::NamedTensors optimizer_state() override;
  std::vector<io::TensorShare> optimizer_shares() override;

 private:
  /// A network with what trains it.
  struct Player {
    Player(const Experiment& experiment, const nn::Module& module, const nn::Module& all,
           const std::shared_ptr<distributed::Communicator>& world);

    std::vector<Tensor> trained;  ///< the parameters that require a gradient
    std::unique_ptr<optim::Optimizer> optimizer;
    distributed::DataParallel parallel;
    distributed::TrainingStep step;
  };

  std::pair<double, double> train_on(const Batch& samples, std::int64_t global_n);

  Player generator_;
  Player discriminator_;
  distributed::BufferCombiner buffers_;
};

}  // namespace backflow::train
