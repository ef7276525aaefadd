#pragma once

#include <cstdint>

#include <backflow/ops/kernels/reductions/reduce.h>

namespace backflow::kernels {

/// block[i] = map(x[offset + i * stride]) for i < n, where x are elements of some dtype and the block is of type A.
template <class A>
using Fetch = void (*)(const void* x, std::int64_t offset, std::int64_t stride, std::int64_t n, double power, A* block);

/// The loop for A = uint8_t, int32_t, int64_t, float or double, for the best instruction set of the machine that runs.
template <class A>
Fetch<A> fetch_loop(ScalarType dtype, Map map);

}  // namespace backflow::kernels
