#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// How a loss reduces the values of its rows or elements, as libtorch's at::Reduction.
namespace Reduction {  // NOLINT(readability-identifier-naming): libtorch's name
enum Reduction : std::int64_t { None = 0, Mean = 1, Sum = 2 };
}  // namespace Reduction

/// `losses` reduced as `reduction` says. Throws Error, which `where` starts, for any other number.
Tensor reduce(const char* where, const Tensor& losses, std::int64_t reduction);

}  // namespace backflow
