#include <backflow/nn/modules/batch_norm.h>

#include <ostream>

#include <backflow/nn/functional/normalization.h>
#include <backflow/nn/init.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>

namespace backflow::nn::detail {
namespace {

void print(std::ostream& stream, double momentum) { stream << momentum; }
void print(std::ostream& stream, std::optional<double> momentum) { momentum ? stream << *momentum : stream << "None"; }

const char* python(bool value) { return value ? "True" : "False"; }

}  // namespace

template <class Options>
RunningNorm<Options>::RunningNorm(const Options& options_) : options(options_) {
  const std::int64_t channels = options.num_features();
  check(channels >= 0, "norm: ", channels, " features: need a number >= 0");
  const auto numbers = [&](bool has) { return has ? empty_tensor(channels, kFloat32) : Tensor(); };
  weight = register_parameter("weight", numbers(options.affine()));
  bias = register_parameter("bias", numbers(options.affine()));
  const bool tracks = options.track_running_stats();
  running_mean = register_buffer("running_mean", numbers(tracks));
  running_var = register_buffer("running_var", numbers(tracks));
  num_batches_tracked = register_buffer("num_batches_tracked", tracks ? empty_tensor({}, kInt64) : Tensor());
  reset_parameters();
}

template <class Options>
void RunningNorm<Options>::reset_parameters() {
  reset_running_stats();
  if (weight.defined()) {
    init::ones_(weight);
    init::zeros_(bias);
  }
}

template <class Options>
void RunningNorm<Options>::reset_running_stats() {
  if (running_mean.defined()) {
    running_mean.zero_();
    running_var.fill_(1);
    num_batches_tracked.zero_();
  }
}

template <class Options>
void RunningNorm<Options>::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(' << options.num_features() << ", eps=" << options.eps() << ", momentum=";
  print(stream, options.momentum());
  stream << ", affine=" << python(options.affine()) << ", track_running_stats=" << python(options.track_running_stats())
         << ')';
}

template <class Options>
void RunningNorm<Options>::check_input(IntArrayRef input, std::int64_t least, std::int64_t most,
                                       std::int64_t channels) const {
  const auto dims = static_cast<std::int64_t>(input.size());
  check(dims >= least && dims <= most, class_name(), ": input of shape ", input, ": need ", least,
        least == most ? "" : to_text(" or ", most), " dimensions");
  const std::int64_t found = input[static_cast<std::size_t>(channels)];
  check(found == options.num_features(), class_name(), ": input of shape ", input, ": need ", options.num_features(),
        " channels in dimension ", channels);
}

template class RunningNorm<BatchNormOptions>;
template class RunningNorm<InstanceNormOptions>;

double BatchNormModule::count_batch() {
  if (!is_training() || !num_batches_tracked.defined()) {
    return options.momentum().value_or(0);
  }
  const NoGradGuard off;
  num_batches_tracked.add_(1);
  return options.momentum() ? *options.momentum() : 1 / num_batches_tracked.item<double>();
}

template <class F>
Tensor BatchNormModule::in_group(const F& normalize) const {
  if (group_ == nullptr || !is_training()) {
    return normalize();
  }
  const StatisticsGroupGuard guard(group_);
  Tensor y = normalize();
  if (y.requires_grad()) {
    hooks_of(y)->set_in_order();
  }
  return y;
}

Tensor BatchNormModule::forward(const Tensor& input) {
  check_input(input.sizes(), least_, most_, 1);
  return in_group([&] {
    return backflow::batch_norm(input, weight, bias, running_mean, running_var, uses_input(), count_batch(),
                                options.eps(), true);
  });
}

Tensor BatchNormModule::forward_relu(const Tensor& input, const Tensor& residual) {
  check_input(input.sizes(), least_, most_, 1);
  return in_group([&] {
    return backflow::batch_norm_relu(input, weight, bias, running_mean, running_var, residual, uses_input(),
                                     count_batch(), options.eps());
  });
}

DimVector BatchNormModule::output_shape(IntArrayRef input) const {
  check_input(input, least_, most_, 1);
  return input;
}

Tensor InstanceNormModule::forward(const Tensor& input) {
  const bool is_sample = input.dim() == dims_ - 1;
  check_input(input.sizes(), dims_ - 1, dims_, is_sample ? 0 : 1);
  const Tensor x = is_sample ? input.unsqueeze(0) : input;
  const Tensor y = backflow::instance_norm(x, weight, bias, running_mean, running_var, uses_input(), options.momentum(),
                                           options.eps(), true);
  return is_sample ? y.squeeze(0) : y;
}

DimVector InstanceNormModule::output_shape(IntArrayRef input) const {
  check_input(input, dims_ - 1, dims_, static_cast<std::int64_t>(input.size()) == dims_ ? 1 : 0);
  return input;
}

}  // namespace backflow::nn::detail
