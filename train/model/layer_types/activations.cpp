#include <backflow/nn/modules/activation.h>

#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

/// A layer made with these options for inputs of any shape.
template <class Module, class Options>
LayerOptions::Make with_options(const Options& options) {
  return [=](LayerInput&, ParameterBudget&) { return Module(options); };
}

double alpha_of(const LayerKeys& keys) {
  return keys.number({"alpha", "the result for very negative numbers is minus this"}, {.above = 0}, 1.0);
}

LayerOptions::Make elu(const LayerKeys& keys) { return with_options<nn::ELU>(nn::ELUOptions().alpha(alpha_of(keys))); }

LayerOptions::Make celu(const LayerKeys& keys) {
  return with_options<nn::CELU>(nn::CELUOptions().alpha(alpha_of(keys)));
}

LayerOptions::Make leaky_relu(const LayerKeys& keys) {
  return with_options<nn::LeakyReLU>(
      nn::LeakyReLUOptions().negative_slope(keys.number({"negative_slope", "slope below 0"}, {}, 0.01)));
}

LayerOptions::Make rrelu(const LayerKeys& keys) {
  const double lower = keys.number({"lower", "the least slope below 0 that training draws"}, {}, 1.0 / 8);
  const double upper = keys.number({"upper", "the largest slope below 0 that training draws"}, {.at_least = lower},
                                   std::max(lower, 1.0 / 3));
  return with_options<nn::RReLU>(nn::RReLUOptions().lower(lower).upper(upper));
}

LayerOptions::Make gelu(const LayerKeys& keys) {
  const std::string how =
      keys.choice({"approximate", "the exact function, or its approximation by tanh"}, {"none", "tanh"}, "none");
  return with_options<nn::GELU>(nn::GELUOptions().approximate(how));
}

template <class Module, class Options>
LayerOptions::Make shrink(const LayerKeys& keys) {
  return with_options<Module>(
      Options(keys.number({"lambda", "numbers from minus this to this become 0"}, {.at_least = 0}, 0.5)));
}

LayerOptions::Make hardtanh(const LayerKeys& keys) {
  const double least = keys.number({"min_val", "the least result"}, {}, -1.0);
  const double most = keys.number({"max_val", "the largest result"}, {.above = least}, std::max(least + 2, 1.0));
  return with_options<nn::Hardtanh>(nn::HardtanhOptions().min_val(least).max_val(most));
}

LayerOptions::Make softplus(const LayerKeys& keys) {
  nn::SoftplusOptions options;
  options.beta(keys.number({"beta", "log(1 + e^(beta x)) / beta"}, {.above = 0}, 1.0));
  options.threshold(keys.number({"threshold", "where beta x is above this, the result is x"}, {}, 20.0));
  return with_options<nn::Softplus>(options);
}

LayerOptions::Make threshold(const LayerKeys& keys) {
  const double least = keys.number({"threshold", "numbers that are not above this are replaced"});
  return with_options<nn::Threshold>(nn::ThresholdOptions(least, keys.number({"value", "what they are replaced by"})));
}

LayerOptions::Make glu(const LayerKeys& keys) {
  const std::int64_t dim = keys.integer({"dim", "the dimension whose second half is the gate of its first"}, {}, -1);
  return [=](LayerInput& input, ParameterBudget&) {
    check_dim(keys, "dim", dim, input);
    return nn::GLU(dim);
  };
}

/// Softmax and its kin: functions of whole rows.
template <class Module>
LayerOptions::Make along_dim(const LayerKeys& keys) {
  const std::int64_t dim = keys.integer({"dim", "the dimension whose results sum to 1; the batch is 0"}, {}, -1);
  return [=](LayerInput& input, ParameterBudget&) {
    check_dim(keys, "dim", dim, input);
    return Module(dim);
  };
}

LayerOptions::Make softmax2d(const LayerKeys& keys) {
  return [=](LayerInput& input, ParameterBudget&) {
    check_dims(keys, input, 4, 4, "[batch, channels, height, width]");
    return nn::Softmax2d();
  };
}

LayerOptions::Make prelu(const LayerKeys& keys) {
  const std::int64_t count = keys.integer({"num_parameters", "slopes below 0: 1, or one for each channel"},
                                          {.at_least = 1, .at_most = kMaxSize}, 1);
  const double init = keys.number({"init", "the slopes at first"}, {}, 0.25);
  return [=](LayerInput& input, ParameterBudget& budget) {
    const std::int64_t channels = input.shape.size() < 2 ? 1 : input.shape[1];
    if (count != 1 && count != channels) {
      keys.fail("num_parameters", to_text("num_parameters ", count, " for inputs of shape ", input.shape,
                                          ": need 1, or one for each of the ", channels, " channels"));
    }
    take_parameters(keys, "num_parameters", static_cast<double>(count), budget);
    return nn::PReLU(nn::PReLUOptions().num_parameters(count).init(init));
  };
}

}  // namespace

LayerTypes activation_types() {
  return {
      {"relu", "max(x, 0)", plain_layer<nn::ReLU>},
      {"relu6", "x limited to 0 to 6", plain_layer<nn::ReLU6>},
      {"elu", "x above 0, alpha (e^x - 1) below", elu},
      {"selu", "ELU with the constants that keep mean 0 and variance 1", plain_layer<nn::SELU>},
      {"celu", "x above 0, alpha (e^(x / alpha) - 1) below", celu},
      {"leaky_relu", "x above 0, a fixed multiple of x below", leaky_relu},
      {"prelu", "x above 0, a trained multiple of x below", prelu},
      {"rrelu", "x above 0, a multiple of x below that training draws", rrelu},
      {"gelu", "x times the probability that a normal number is below x", gelu},
      {"glu", "one half of a dimension times the sigmoid of the other", glu},
      {"silu", "x sigmoid(x)", plain_layer<nn::SiLU>},
      {"mish", "x tanh(softplus(x))", plain_layer<nn::Mish>},
      {"sigmoid", "1 / (1 + e^-x)", plain_layer<nn::Sigmoid>},
      {"log_sigmoid", "log(sigmoid(x))", plain_layer<nn::LogSigmoid>},
      {"tanh", "hyperbolic tangent", plain_layer<nn::Tanh>},
      {"hardtanh", "x limited to `min_val` to `max_val`", hardtanh},
      {"tanhshrink", "x - tanh(x)", plain_layer<nn::Tanhshrink>},
      {"hardshrink", "x, or 0 near 0", shrink<nn::Hardshrink, nn::HardshrinkOptions>},
      {"softshrink", "x moved towards 0 by `lambda`", shrink<nn::Softshrink, nn::SoftshrinkOptions>},
      {"softplus", "a smooth max(x, 0)", softplus},
      {"softsign", "x / (1 + |x|)", plain_layer<nn::Softsign>},
      {"threshold", "x above a threshold, a fixed value elsewhere", threshold},
      {"softmax", "e^x divided by the sum along a dimension", along_dim<nn::Softmax>},
      {"softmin", "softmax of -x", along_dim<nn::Softmin>},
      {"log_softmax", "logarithm of softmax", along_dim<nn::LogSoftmax>},
      {"softmax2d", "softmax over the channels of [batch, channels, height, width]", softmax2d},
  };
}

}  // namespace backflow::train
