#pragma once

#include <cstdint>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// y[i] = weight[indices[i]]: rows of contiguous tensors of one dtype, [n, columns] and [rows, columns]; n int64
/// indices in [0, rows).
void take_rows(const Tensor& y, const Tensor& weight, const std::int64_t* indices);

/// y[b] = the sum of weight[indices[i]] for bounds[b] <= i < bounds[b + 1] in the order of i, divided by their number
/// if `average`; zeros where there are none. Contiguous tensors of one floating-point dtype, [bags, columns] and [rows,
/// columns]; indices in [0, rows). bfloat16 is summed in float32.
void sum_bags(const Tensor& y, const Tensor& weight, const std::int64_t* indices, const std::int64_t* bounds,
              bool average);

/// dw[r] = the sum of the rows dy[i] with indices[i] = r in the order of i, divided by their number if `average`; zeros
/// where there are none and where r = `padding`. Contiguous tensors of one floating-point dtype, [rows, columns] and
/// [n, columns]; n int64 indices in [0, rows). bfloat16 is summed in float32. The same bits on any number of threads.
void sum_rows(const Tensor& dw, const Tensor& dy, const std::int64_t* indices, std::int64_t padding, bool average);

}  // namespace backflow::kernels
