#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <backflow/io/dump.h>
#include <backflow/nn/module.h>
#include <backflow/train/model/model_options.h>

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

/// What the data and the task ask of a model.
struct ModelRequest {
  DimVector sample_shape = {};  ///< of one sample, without the batch dimension
  std::int64_t vocabulary = 0;  ///< samples are int64 numbers below this, as of text; 0: floating point numbers
  DimVector output_shape = {};  ///< what the model has to give for one sample, as [classes]
  bool any_output = false;      ///< whatever the last layer gives; then output_shape is empty
  ScalarType dtype = kFloat32;  ///< of the parameters
  std::int64_t copies = 2;      ///< numbers in memory for each parameter, see ParameterBudget
};

/// Builds the network. Its parameters are initialised from the generator's present state. Throws io::ConfigError, with
/// the key's place, for a layer whose input does not fit, for a last layer that does not give output_shape, for samples
/// that a model by name does not take, and for parameters that do not fit into memory (ParameterBudget), before they
/// are allocated.
Model build_model(const ModelOptions& options, const ModelRequest& request);
/// The same for classes: [num_classes] for each sample, or with 0 as many as the last layer gives.
Model build_model(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ScalarType dtype,
                  std::int64_t copies = 2);

/// The outputs for one sample of the model that these parameters belong to, as those of a dump, found by names and
/// shapes; 0 for a model that has no such number. `request` says all but the outputs.
std::int64_t saved_outputs(const ModelOptions& options, ModelRequest request, const io::NamedTensors& parameters);

}  // namespace backflow::train
