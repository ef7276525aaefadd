#include <backflow/tests/support/hooks.h>

#include <backflow/ops/operators.h>

namespace backflow::test {

std::function<void(const Tensor&)> Log::note(const std::string& name) {
  return [this, name](const Tensor& grad) {
    text += name + std::to_string(static_cast<int>(grad.select(0, 0).item<float>())) + " ";
  };
}

}  // namespace backflow::test
