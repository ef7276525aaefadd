#include <functional>
#include <numeric>

#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/normalization.h>
#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

double eps_of(const LayerKeys& keys) {
  return keys.number({"eps", "added to the variance, so that nothing is divided by 0"}, {.above = 0}, 1e-5);
}

/// Normalizations of channels, of inputs with `least` to `most` dimensions.
template <class Module, class Options, std::size_t kLeast, std::size_t kMost, bool kAffine>
LayerOptions::Make running_norm(const LayerKeys& keys) {
  Options options(1);
  options.eps(eps_of(keys));
  options.momentum(keys.number({"momentum", "share of a batch's statistics in the running ones"},
                               {.at_least = 0, .at_most = 1}, 0.1));
  options.affine(keys.boolean({"affine", "scale and shift each channel by numbers that are trained"}, kAffine));
  options.track_running_stats(
      keys.boolean({"track_running_stats", "evaluation uses running statistics, not those of its input"}, kAffine));
  return [=](LayerInput& input, ParameterBudget& budget) {
    constexpr const char* kNeeds[] = {"[batch, channels] or [batch, channels, length]", "[batch, channels, length]",
                                      "[batch, channels, height, width]", "[batch, channels, depth, height, width]"};
    const std::size_t need = kLeast < kMost ? 0 : kLeast - 2;
    check_dims(keys, input, kLeast, kMost, kLeast + 1 < kMost ? "[batch, channels, ...]" : kNeeds[need]);
    const std::int64_t channels = input.shape[1];
    const int tensors = (options.affine() ? 2 : 0) + (options.track_running_stats() ? 2 : 0);
    take_parameters(keys, "type", static_cast<double>(channels) * tensors, budget);
    return Module(Options(options).num_features(channels));
  };
}

/// The last dimensions that are normalized together: as many as the key says.
std::vector<std::int64_t> normalized_shape(const LayerKeys& keys, const LayerInput& input, std::int64_t dims) {
  const auto rank = static_cast<std::int64_t>(input.shape.size());
  if (dims > rank - 1) {
    keys.fail("dims", to_text("dims ", dims, " for inputs of shape ", input.shape, ": need at most ", rank - 1));
  }
  return {input.shape.end() - dims, input.shape.end()};
}

std::int64_t dims_of(const LayerKeys& keys) {
  return keys.integer({"dims", "number of last dimensions that are normalized together"}, {.at_least = 1, .at_most = 8},
                      1);
}

bool elementwise_affine(const LayerKeys& keys, const char* sentence) {
  return keys.boolean({"elementwise_affine", sentence}, true);
}

double elements(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), 1.0, std::multiplies<double>());
}

LayerOptions::Make layer_norm(const LayerKeys& keys) {
  const double eps = eps_of(keys);
  const std::int64_t dims = dims_of(keys);
  const bool affine = elementwise_affine(keys, "scale and shift each element by numbers that are trained");
  return [=](LayerInput& input, ParameterBudget& budget) {
    const std::vector<std::int64_t> shape = normalized_shape(keys, input, dims);
    take_parameters(keys, "type", affine ? 2 * elements(shape) : 0, budget);
    return nn::LayerNorm(nn::LayerNormOptions(shape).eps(eps).elementwise_affine(affine));
  };
}

LayerOptions::Make rms_norm(const LayerKeys& keys) {
  const double eps = eps_of(keys);
  const std::int64_t dims = dims_of(keys);
  const bool affine = elementwise_affine(keys, "scale each element by a number that is trained");
  return [=](LayerInput& input, ParameterBudget& budget) {
    const std::vector<std::int64_t> shape = normalized_shape(keys, input, dims);
    take_parameters(keys, "type", affine ? elements(shape) : 0, budget);
    return nn::RMSNorm(nn::RMSNormOptions(shape).eps(eps).elementwise_affine(affine));
  };
}

LayerOptions::Make group_norm(const LayerKeys& keys) {
  const std::int64_t groups = keys.integer({"num_groups", "groups of channels that are normalized together"},
                                           {.at_least = 1, .at_most = kMaxSize});
  const double eps = eps_of(keys);
  const bool affine = keys.boolean({"affine", "scale and shift each channel by numbers that are trained"}, true);
  return [=](LayerInput& input, ParameterBudget& budget) {
    check_dims(keys, input, 2, 8, "[batch, channels, ...]");
    const std::int64_t channels = input.shape[1];
    if (channels % groups != 0) {
      keys.fail("num_groups", to_text("num_groups ", groups, " for inputs of shape ", input.shape,
                                      ": need a number that divides the ", channels, " channels"));
    }
    take_parameters(keys, "type", affine ? 2 * static_cast<double>(channels) : 0, budget);
    return nn::GroupNorm(nn::GroupNormOptions(groups, channels).eps(eps).affine(affine));
  };
}

LayerOptions::Make local_response_norm(const LayerKeys& keys) {
  nn::LocalResponseNormOptions options(
      keys.integer({"size", "neighbouring channels whose squares are averaged"}, {.at_least = 1, .at_most = kMaxSize}));
  options.alpha(keys.number({"alpha", "factor of the average of the squares"}, {}, 1e-4));
  options.beta(keys.number({"beta", "exponent of the divisor"}, {}, 0.75));
  options.k(keys.number({"k", "added to the average of the squares"}, {}, 1.0));
  return [=](LayerInput& input, ParameterBudget&) {
    check_dims(keys, input, 3, 8, "[batch, channels, length, ...]");
    if (options.size() > 2 * input.shape[1]) {
      keys.fail("size", to_text("size ", options.size(), " for inputs of shape ", input.shape, ": need at most ",
                                2 * input.shape[1], ", which takes in all channels"));
    }
    return nn::LocalResponseNorm(options);
  };
}

}  // namespace

LayerTypes normalization_types() {
  using nn::BatchNormOptions;
  using nn::InstanceNormOptions;
  return {
      {"batch_norm1d", "batch normalization of [batch, channels] or [batch, channels, length]",
       running_norm<nn::BatchNorm1d, BatchNormOptions, 2, 3, true>},
      {"batch_norm2d", "batch normalization of [batch, channels, height, width]",
       running_norm<nn::BatchNorm2d, BatchNormOptions, 4, 4, true>},
      {"batch_norm3d", "batch normalization of [batch, channels, depth, height, width]",
       running_norm<nn::BatchNorm3d, BatchNormOptions, 5, 5, true>},
      {"bn_relu2d", "`batch_norm2d` and `relu` as one operator, which is faster",
       running_norm<nn::BNReLU2d, BatchNormOptions, 4, 4, true>},
      {"sync_batch_norm",
       "batch normalization of [batch, channels, ...]; with `distributed.batch_norm = \"sync\"` over all ranks",
       running_norm<nn::SyncBatchNorm, BatchNormOptions, 2, 5, true>},
      {"instance_norm1d", "normalization of each channel of each sample, [batch, channels, length]",
       running_norm<nn::InstanceNorm1d, InstanceNormOptions, 3, 3, false>},
      {"instance_norm2d", "normalization of each channel of each sample, [batch, channels, height, width]",
       running_norm<nn::InstanceNorm2d, InstanceNormOptions, 4, 4, false>},
      {"instance_norm3d", "normalization of each channel of each sample, [batch, channels, depth, height, width]",
       running_norm<nn::InstanceNorm3d, InstanceNormOptions, 5, 5, false>},
      {"layer_norm", "normalization over the last dimensions", layer_norm},
      {"rms_norm", "division of the last dimensions by their root mean square", rms_norm},
      {"group_norm", "normalization of groups of channels of each sample", group_norm},
      {"local_response_norm", "division by a sum over neighbouring channels", local_response_norm},
  };
}

}  // namespace backflow::train
