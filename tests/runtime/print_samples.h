#pragma once

#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::test {

/// A tensor, and what PyTorch 1.13 prints for it.
struct PrintSample {
  Tensor x;
  const char* expected;
};

/// Tensors of more than one line: rows that are broken, and elements that are left out.
std::vector<PrintSample> long_print_samples();

}  // namespace backflow::test
