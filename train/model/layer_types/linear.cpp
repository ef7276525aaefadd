#include <backflow/nn/modules/linear.h>

#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

LayerOptions::Make linear(const LayerKeys& keys) {
  const std::int64_t in_features =
      keys.integer({"in_features", "size of the last dimension, which is checked; 0: whatever it is"},
                   {.at_least = 0, .at_most = kMaxSize}, 0);
  const std::int64_t out_features =
      keys.integer({"out_features", "size of the last dimension of the result"}, {.at_least = 1, .at_most = kMaxSize});
  const bool bias = keys.boolean({"bias", "add a bias that is trained"}, true);
  return [=](LayerInput& input, ParameterBudget& budget) {
    const std::int64_t inputs = input.shape.back();
    if (in_features > 0 && in_features != inputs) {
      keys.fail("in_features", to_text("in_features ", in_features, " for inputs of shape ", input.shape,
                                       ": need in_features = ", inputs));
    }
    take_parameters(keys, "out_features",
                    static_cast<double>(out_features) * (static_cast<double>(inputs) + (bias ? 1 : 0)), budget);
    return nn::Linear(nn::LinearOptions(inputs, out_features).bias(bias));
  };
}

}  // namespace

LayerTypes linear_types() { return {{"linear", "the last dimension times a matrix", linear}}; }

}  // namespace backflow::train
