#pragma once

#include <backflow/nn/functional/activation.h>
#include <backflow/nn/module.h>

/// Activations of inputs of any shape, unless said otherwise. nn/functional/activation.h has their formulas.
namespace backflow::nn {

namespace detail {

/// A module without parameters whose result has the input's shape.
class ElementwiseModule : public Module {
 public:
  DimVector output_shape(IntArrayRef input) const override { return input; }
};

/// One with options.
template <class Options>
class ActivationModule : public ElementwiseModule {
 public:
  explicit ActivationModule(const Options& options_ = {}) : options(options_) {}
  void pretty_print(std::ostream& stream) const override;
  Options options;
};

}  // namespace detail

/// max(x, 0)
class ReLUImpl : public detail::ActivationModule<ReLUOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::relu(input, options); }
};
BACKFLOW_MODULE(ReLU);

class ReLU6Impl : public detail::ActivationModule<ReLU6Options> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::relu6(input, options); }
};
BACKFLOW_MODULE(ReLU6);

class ELUImpl : public detail::ActivationModule<ELUOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::elu(input, options); }
};
BACKFLOW_MODULE(ELU);

class SELUImpl : public detail::ActivationModule<SELUOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::selu(input, options); }
};
BACKFLOW_MODULE(SELU);

class CELUImpl : public detail::ActivationModule<CELUOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::celu(input, options); }
};
BACKFLOW_MODULE(CELU);

class LeakyReLUImpl : public detail::ActivationModule<LeakyReLUOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::leaky_relu(input, options); }
};
BACKFLOW_MODULE(LeakyReLU);

/// In training it draws its slopes.
class RReLUImpl : public detail::ActivationModule<RReLUOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const;
};
BACKFLOW_MODULE(RReLU);

/// Halves the size of a dimension.
class GLUImpl : public detail::ActivationModule<GLUOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::glu(input, options); }
  DimVector output_shape(IntArrayRef input) const override;
};
BACKFLOW_MODULE(GLU);

class GELUImpl : public detail::ActivationModule<GELUOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::gelu(input, options); }
};
BACKFLOW_MODULE(GELU);

class HardshrinkImpl : public detail::ActivationModule<HardshrinkOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::hardshrink(input, options); }
};
BACKFLOW_MODULE(Hardshrink);

class SoftshrinkImpl : public detail::ActivationModule<SoftshrinkOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::softshrink(input, options); }
};
BACKFLOW_MODULE(Softshrink);

/// Throws Error unless min_val < max_val.
class HardtanhImpl : public detail::ActivationModule<HardtanhOptions> {
 public:
  explicit HardtanhImpl(const HardtanhOptions& options_ = {});
  Tensor forward(const Tensor& input) const { return functional::hardtanh(input, options); }
};
BACKFLOW_MODULE(Hardtanh);

class SoftplusImpl : public detail::ActivationModule<SoftplusOptions> {
 public:
  using ActivationModule::ActivationModule;
  Tensor forward(const Tensor& input) const { return functional::softplus(input, options); }
};
BACKFLOW_MODULE(Softplus);

class ThresholdImpl : public detail::ActivationModule<ThresholdOptions> {
 public:
  ThresholdImpl(double threshold, double value) : ActivationModule(ThresholdOptions(threshold, value)) {}
  explicit ThresholdImpl(const ThresholdOptions& options_) : ActivationModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::threshold(input, options); }
};
BACKFLOW_MODULE(Threshold);

class SoftmaxImpl : public detail::ActivationModule<SoftmaxOptions> {
 public:
  explicit SoftmaxImpl(std::int64_t dim) : ActivationModule(SoftmaxOptions(dim)) {}
  explicit SoftmaxImpl(const SoftmaxOptions& options_) : ActivationModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::softmax(input, options.dim()); }
};
BACKFLOW_MODULE(Softmax);

class SoftminImpl : public detail::ActivationModule<SoftminOptions> {
 public:
  explicit SoftminImpl(std::int64_t dim) : ActivationModule(SoftminOptions(dim)) {}
  explicit SoftminImpl(const SoftminOptions& options_) : ActivationModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::softmin(input, options.dim()); }
};
BACKFLOW_MODULE(Softmin);

class LogSoftmaxImpl : public detail::ActivationModule<LogSoftmaxOptions> {
 public:
  explicit LogSoftmaxImpl(std::int64_t dim) : ActivationModule(LogSoftmaxOptions(dim)) {}
  explicit LogSoftmaxImpl(const LogSoftmaxOptions& options_) : ActivationModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::log_softmax(input, options.dim()); }
};
BACKFLOW_MODULE(LogSoftmax);

/// The softmax over the channels of [batch, channels, height, width], or of one image without a batch.
class Softmax2dImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const;
};
BACKFLOW_MODULE(Softmax2d);

/// x where x > 0, else w x. Parameter: weight [num_parameters], `init` at first: one slope, or one for each channel
/// (dimension 1).
class PReLUImpl : public detail::ActivationModule<PReLUOptions> {
 public:
  explicit PReLUImpl(const PReLUOptions& options_ = {});
  Tensor forward(const Tensor& input) const { return functional::prelu(input, weight); }
  void reset();
  Tensor weight;
};
BACKFLOW_MODULE(PReLU);

class TanhImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::tanh(input); }
};
BACKFLOW_MODULE(Tanh);

/// 1 / (1 + e^-x)
class SigmoidImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::sigmoid(input); }
};
BACKFLOW_MODULE(Sigmoid);

class LogSigmoidImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::logsigmoid(input); }
};
BACKFLOW_MODULE(LogSigmoid);

class SiLUImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::silu(input); }
};
BACKFLOW_MODULE(SiLU);

class MishImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::mish(input); }
};
BACKFLOW_MODULE(Mish);

class SoftsignImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::softsign(input); }
};
BACKFLOW_MODULE(Softsign);

class TanhshrinkImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::tanhshrink(input); }
};
BACKFLOW_MODULE(Tanhshrink);

}  // namespace backflow::nn
