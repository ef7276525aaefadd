#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

// What the samples of losses have in common.
namespace backflow::test {

inline constexpr std::int64_t kReductions[] = {Reduction::None, Reduction::Mean, Reduction::Sum};

/// As PyTorch's Python calls it, in quotes.
const char* python_name(std::int64_t reduction);

/// The losses, or their mean or sum.
Array reduced(const Array& losses, std::int64_t reduction);

/// log(softmax) over a dimension.
Array log_softmax_of(const Array& x, std::size_t dim);

/// The numbers as a tensor of the dtype of x, and the same in Python.
Tensor constants(const std::vector<double>& numbers, const Tensor& x);
std::string python_constants(const std::vector<double>& numbers);

// The parts of loss_samples().
Samples pair_loss_samples();
Samples class_loss_samples();
Samples margin_loss_samples();
Samples embedding_loss_samples();

}  // namespace backflow::test
