#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// x itself when it is row-major or undefined, else a row-major copy off the tape.
Tensor dense(const Tensor& x);

}  // namespace backflow::kernels
