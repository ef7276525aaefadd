#pragma once

#include <memory>
#include <utility>

#include <backflow/nn/module.h>
#include <backflow/nn/options/normalization.h>
#include <backflow/ops/normalization/statistics_group.h>

namespace backflow::nn {

namespace detail {

/// The base class of normalizations of channels. Parameters: weight (ones at first) and bias (zeros), [num_features].
/// Buffers: running_mean and running_var, [num_features], and num_batches_tracked (int64). Those that the options leave
/// out are undefined.
template <class Options>
class RunningNorm : public Module {
 public:
  explicit RunningNorm(const Options& options_);

  /// Starts anew: weight 1, bias 0, running mean 0 and variance 1.
  void reset_parameters();
  void reset_running_stats();
  void pretty_print(std::ostream& stream) const override;

  Options options;
  Tensor weight;
  Tensor bias;
  Tensor running_mean;
  Tensor running_var;
  Tensor num_batches_tracked;

 protected:
  /// Throws Error unless an input has `least` to `most` dimensions, and num_features channels in dimension `channels`.
  void check_input(IntArrayRef input, std::int64_t least, std::int64_t most, std::int64_t channels) const;
  /// Whether normalization uses the statistics of the input, not the running ones.
  bool uses_input() const { return is_training() || !running_mean.defined(); }
};

/// Batch normalization of inputs with `least` to `most` dimensions.
class BatchNormModule : public RunningNorm<BatchNormOptions> {
 public:
  BatchNormModule(const BatchNormOptions& options_, std::int64_t least, std::int64_t most)
      : RunningNorm(options_), least_(least), most_(most) {}

  Tensor forward(const Tensor& input);
  DimVector output_shape(IntArrayRef input) const override;

  /// In training mean and variance are those over all members of the group, each of which calls forward with its part
  /// of the batch, perhaps of no samples. Backward then sums over the group too, in the order of the tape; it has no
  /// second derivative. Null: of this process alone.
  void set_statistics_group(std::shared_ptr<StatisticsGroup> group) { group_ = std::move(group); }
  const std::shared_ptr<StatisticsGroup>& statistics_group() const { return group_; }

 protected:
  /// relu(forward(input) + residual) as one operator; the residual may be undefined.
  Tensor forward_relu(const Tensor& input, const Tensor& residual);

 private:
  /// In training counts a batch; returns the momentum for it.
  double count_batch();
  /// What `normalize` gives, with the statistics of the group.
  template <class F>
  Tensor in_group(const F& normalize) const;

  std::shared_ptr<StatisticsGroup> group_;
  std::int64_t least_;
  std::int64_t most_;
};

/// Instance normalization of inputs with `dims` dimensions; one fewer is a single sample.
class InstanceNormModule : public RunningNorm<InstanceNormOptions> {
 public:
  InstanceNormModule(const InstanceNormOptions& options_, std::int64_t dims) : RunningNorm(options_), dims_(dims) {}

  Tensor forward(const Tensor& input);
  DimVector output_shape(IntArrayRef input) const override;

 private:
  std::int64_t dims_;
};

}  // namespace detail

/// Normalizes each channel of an input [batch, channels] or [batch, channels, length]. Training uses the mean and
/// variance over the batch, and updates the running ones; evaluation uses the running ones. Throws Error for other
/// inputs, and in training for a single value per channel. (Ioffe and Szegedy, Batch normalization, 2015.)
class BatchNorm1dImpl : public detail::BatchNormModule {
 public:
  explicit BatchNorm1dImpl(const BatchNorm1dOptions& options_) : BatchNormModule(options_, 2, 3) {}
};
BACKFLOW_MODULE(BatchNorm1d);

/// The same for inputs [batch, channels, height, width].
class BatchNorm2dImpl : public detail::BatchNormModule {
 public:
  explicit BatchNorm2dImpl(const BatchNorm2dOptions& options_) : BatchNormModule(options_, 4, 4) {}
};
BACKFLOW_MODULE(BatchNorm2d);

/// BatchNorm2d and ReLU fused into one operator, which reads and writes memory less often. The same bits, and the
/// parameters and buffers of BatchNorm2d. PyTorch's is torch.nn.intrinsic.BNReLU2d.
class BNReLU2dImpl : public detail::BatchNormModule {
 public:
  explicit BNReLU2dImpl(const BatchNorm2dOptions& options_) : BatchNormModule(options_, 4, 4) {}

  Tensor forward(const Tensor& input) { return forward_relu(input, {}); }
  /// relu(batch_norm(input) + residual). Input and residual have one shape and dtype.
  Tensor forward(const Tensor& input, const Tensor& residual) { return forward_relu(input, residual); }
};
BACKFLOW_MODULE(BNReLU2d);

/// Batch normalization of inputs [batch, channels, depth, height, width].
class BatchNorm3dImpl : public detail::BatchNormModule {
 public:
  explicit BatchNorm3dImpl(const BatchNorm3dOptions& options_) : BatchNormModule(options_, 5, 5) {}
};
BACKFLOW_MODULE(BatchNorm3d);

/// Batch normalization of inputs [batch, channels, ...] with 2 to 5 dimensions, whose training takes mean and variance
/// over the batches of all ranks: distributed::sync_batch_norm sets their group. Without a group, that of one process.
/// PyTorch's is torch.nn.SyncBatchNorm; parameters, buffers and running statistics are those of BatchNorm2d.
class SyncBatchNormImpl : public detail::BatchNormModule {
 public:
  explicit SyncBatchNormImpl(const BatchNormOptions& options_, std::shared_ptr<StatisticsGroup> group = nullptr)
      : BatchNormModule(options_, 2, 5) {
    set_statistics_group(std::move(group));
  }
};
BACKFLOW_MODULE(SyncBatchNorm);

/// Normalizes each channel of each sample of an input [batch, channels, length], or [channels, length]. Parameters, and
/// running statistics for evaluation, exist only when the options ask for them. (Ulyanov, Vedaldi and Lempitsky,
/// Instance normalization, 2016.)
class InstanceNorm1dImpl : public detail::InstanceNormModule {
 public:
  explicit InstanceNorm1dImpl(const InstanceNorm1dOptions& options_) : InstanceNormModule(options_, 3) {}
};
BACKFLOW_MODULE(InstanceNorm1d);

/// The same for inputs [batch, channels, height, width].
class InstanceNorm2dImpl : public detail::InstanceNormModule {
 public:
  explicit InstanceNorm2dImpl(const InstanceNorm2dOptions& options_) : InstanceNormModule(options_, 4) {}
};
BACKFLOW_MODULE(InstanceNorm2d);

/// The same for inputs [batch, channels, depth, height, width].
class InstanceNorm3dImpl : public detail::InstanceNormModule {
 public:
  explicit InstanceNorm3dImpl(const InstanceNorm3dOptions& options_) : InstanceNormModule(options_, 5) {}
};
BACKFLOW_MODULE(InstanceNorm3d);

}  // namespace backflow::nn
