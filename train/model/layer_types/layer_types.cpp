#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {

const LayerTypes& all_layer_types() {
  static const LayerTypes kAll = [] {
    LayerTypes all;
    for (const LayerTypes& family :
         {linear_types(), convolution_types(), pooling_types(), normalization_types(), activation_types(),
          dropout_types(), embedding_types(), padding_types(), shape_types(), composition_types()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }();
  return kAll;
}

void take_parameters(const LayerKeys& keys, std::string_view key, double count, ParameterBudget& budget) {
  const std::string problem = budget.take(count);
  if (!problem.empty()) {
    keys.fail(key, problem);
  }
}

void check_dims(const LayerKeys& keys, const LayerInput& input, std::size_t least, std::size_t most, const char* need) {
  if (input.shape.size() < least || input.shape.size() > most) {
    keys.fail("type", to_text("inputs of shape ", input.shape, ": need ", need));
  }
}

std::int64_t channels_of(const LayerKeys& keys, const LayerInput& input, std::size_t spatial) {
  constexpr const char* kNeeds[] = {"[batch, channels, length]", "[batch, channels, height, width]",
                                    "[batch, channels, depth, height, width]"};
  check_dims(keys, input, spatial + 2, spatial + 2, kNeeds[spatial - 1]);
  return input.shape[1];
}

void check_dim(const LayerKeys& keys, std::string_view key, std::int64_t dim, const LayerInput& input) {
  const auto rank = static_cast<std::int64_t>(input.shape.size());
  if (dim < -rank || dim >= rank || dim == 0 || dim == -rank) {
    keys.fail(key, to_text("'", key, "' is ", dim, " for inputs of shape ", input.shape, ": need one from 1 to ",
                           rank - 1, ", or counted from the end; 0 is the batch"));
  }
}

}  // namespace backflow::train
