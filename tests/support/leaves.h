#pragma once

#include <initializer_list>

#include <backflow/ops/creation.h>
#include <backflow/runtime/tensor.h>

namespace backflow::test {

/// A leaf of these values that requires a gradient.
Tensor leaf(std::initializer_list<NestedNumbers> values);

}  // namespace backflow::test
