#pragma once

#include <cstdint>

namespace backflow::kernels {

/// sum[0, columns) = factor (x[places[0] ld] + x[places[1] ld] + ...), one row after the other; count >= 1.
template <class S>
using SumOfRows = void (*)(const S* x, std::int64_t ld, const std::int64_t* places, std::int64_t count, S* sum,
                           std::int64_t columns, double factor);

}  // namespace backflow::kernels
