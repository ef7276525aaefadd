#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::test {

/// What the hooks of tests throw.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The values that a hook was called with, as text.
struct Log {
  std::string text;
  /// A hook that adds `name`, the gradient's first element as an integer, and a space.
  std::function<void(const Tensor&)> note(const std::string& name);
};

}  // namespace backflow::test
