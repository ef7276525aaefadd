#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <backflow/nn/ordered_dict.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::optim::detail {

/// The number in a tensor of one element, of any dtype; nothing for any other tensor.
std::optional<double> number_of(const Tensor& x);
/// The same, where it is a whole number of 64 bits.
std::optional<std::int64_t> integer_of(const Tensor& x);
/// A tensor without dimensions.
Tensor number(std::int64_t value);
Tensor number(double value);
/// The part of a name up to its first dot.
std::string head_of(const std::string& name);

}  // namespace backflow::optim::detail
