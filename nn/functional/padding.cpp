#include <backflow/nn/functional/padding.h>

#include <optional>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {

Tensor pad(const Tensor& input, const PadFuncOptions& options) {
  static constexpr const char* kNames[] = {"constant", "reflect", "replicate", "circular"};
  const std::optional<double> value = options.value() != 0 ? std::optional(options.value()) : std::nullopt;
  return backflow::pad(input, options.pad(), kNames[static_cast<int>(options.mode())], value);
}

}  // namespace backflow::nn::functional
