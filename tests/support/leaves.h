#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::test {

/// A leaf of these values that requires a gradient.
Tensor leaf(std::initializer_list<NestedNumbers> values);
/// One of random numbers, the same for the same `key`: positive, for logarithms and powers, and of float64.
Tensor leaf(const char* key, std::vector<std::int64_t> sizes = {2, 3});

}  // namespace backflow::test
