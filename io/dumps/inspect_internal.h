#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io::detail {

/// The tensor itself if it is row-major, else a copy that is.
Tensor row_major(const Tensor& x);

}  // namespace backflow::io::detail
