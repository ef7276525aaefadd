#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/nn/module.h>
#include <backflow/train/loop/loop_options.h>

namespace backflow::train {

/// A moving average of a model's parameters and buffers, as timm's ModelEmaV2. Buffers of integers are those of the
/// model. The same bits on all ranks, since the weights are.
class Ema {
 public:
  /// Starts with the present weights. Does nothing at all with a decay of 0. Shares the module's tensors.
  Ema(const EmaOptions& options, const nn::Module& module);

  bool is_on() const { return options_.decay > 0; }
  /// Takes in the weights after so many steps.
  void update(std::int64_t steps);
  /// Exchanges the weights of the model with the averages. Twice, and all is as before.
  void swap();

  /// Makes the averages the dump's parameters and buffers, and those that it has its `trained`.
  void save(io::Dump& dump) const;
  /// Takes the averages from a dump that has them; from others the weights, which the model has already.
  void load(const io::Dump& dump);

 private:
  struct Pair {
    std::string name;
    Tensor weight;  ///< the model's
    Tensor average;
  };

  const EmaOptions options_;
  std::vector<Pair> pairs_;
};

/// The model has the averages as weights while this lives, if there are averages.
class AveragedWeights {
 public:
  explicit AveragedWeights(Ema& ema) : ema_(ema) { ema_.swap(); }
  ~AveragedWeights() { ema_.swap(); }
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  Ema& ema_;
};

}  // namespace backflow::train
