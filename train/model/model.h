#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <backflow/nn/module.h>
#include <backflow/train/experiment.h>

namespace backflow::train {

/// A network as a configuration describes it.
struct Model {
  std::shared_ptr<nn::Module> module;
  std::function<Tensor(const Tensor&)> forward;  ///< [n, sample...] to [n, output_shape...]
  DimVector output_shape = {};                   ///< of one sample, without the batch dimension
  std::int64_t classes = 0;                      ///< the elements of output_shape when it has one dimension, else 0

  /// The loss of a model that has one of its own, as a vae: summed over the samples of a batch, in training and in
  /// evaluation. Empty for all others, whose task has the loss.
  std::function<Tensor(const Tensor& x, const Tensor& target)> loss_sum = {};

  /// The two networks of a GAN; null for all others. They are `module`'s children "generator" and "discriminator".
  std::shared_ptr<nn::Module> generator = {};
  std::shared_ptr<nn::Module> discriminator = {};
  std::function<Tensor(std::int64_t n)> sample = {};  ///< n samples that the generator makes of random numbers
  std::function<Tensor(const Tensor&)> judge = {};    ///< [n, sample...] to [n, 1]: the discriminator's scores (logits)
};

/// Builds the network for samples of this shape; with 0 classes, which an mlp can't have, for as many as the last layer
/// gives. Its parameters are initialised from the generator's present state. Throws io::ConfigError for a layer whose
/// input does not fit, for a last layer that does not give one score for each of the classes, and for a layer whose
/// parameters do not fit into memory (ParameterBudget, each of `copies` numbers), before it is allocated.
Model build_model(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ScalarType dtype,
                  std::int64_t copies = 2);

}  // namespace backflow::train
