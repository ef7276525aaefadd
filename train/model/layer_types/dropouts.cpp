#include <backflow/nn/modules/dropout.h>

#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

/// For inputs with `least` to `most` dimensions.
template <class Module, std::size_t kLeast, std::size_t kMost>
LayerOptions::Make dropout(const LayerKeys& keys) {
  const double p =
      keys.number({"p", "probability that training drops a number or a channel"}, {.at_least = 0, .at_most = 1}, 0.5);
  return [=](LayerInput& input, ParameterBudget&) {
    constexpr const char* kNeed = kLeast == 4   ? "[batch, channels, height, width]"
                                  : kLeast == 5 ? "[batch, channels, depth, height, width]"
                                                : "[batch, features, ...]";
    check_dims(keys, input, kLeast, kMost, kNeed);
    return Module(p);
  };
}

}  // namespace

LayerTypes dropout_types() {
  return {
      {"dropout", "in training, numbers become 0 at random", dropout<nn::Dropout, 1, 8>},
      {"dropout2d", "in training, channels of [batch, channels, height, width] become 0 at random",
       dropout<nn::Dropout2d, 4, 4>},
      {"dropout3d", "in training, channels of [batch, channels, depth, height, width] become 0 at random",
       dropout<nn::Dropout3d, 5, 5>},
      {"alpha_dropout", "dropout that keeps mean 0 and variance 1, for `selu`", dropout<nn::AlphaDropout, 1, 8>},
      {"feature_alpha_dropout", "`alpha_dropout` of whole channels", dropout<nn::FeatureAlphaDropout, 2, 8>},
  };
}

}  // namespace backflow::train
