#pragma once

#include <cstdint>

#include <backflow/tests/support/arrays.h>

namespace backflow::test {

/// Of the operands of a convolution.
struct ConvolutionShape {
  Index x;
  Index w;
  Index stride;
  Index padding;
  Index dilation;
  std::int64_t groups = 1;
  bool transposed = false;
};

}  // namespace backflow::test
