#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// What a loss does with the values of its rows or elements, as libtorch's at::Reduction.
namespace Reduction {  // NOLINT(readability-identifier-naming): libtorch's name
enum Reduction : std::int64_t { None = 0, Mean = 1, Sum = 2 };
}  // namespace Reduction

/// `losses` reduced as `reduction` says; `where` starts the message of the Error that any other number is.
Tensor reduce(const char* where, const Tensor& losses, std::int64_t reduction);

}  // namespace backflow
