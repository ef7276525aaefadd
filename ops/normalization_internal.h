#pragma once

// What the normalizing operators have in common.

#include <backflow/ops/kernels/blocked.h>
#include <backflow/ops/reduction_internal.h>

namespace backflow::detail {

/// Throws Error unless x is a floating-point tensor of at least two dimensions.
void check_channels(const char* where, const Tensor& x);
/// Throws Error unless `parameter`, called `name`, is undefined or has these sizes and the dtype of x; beside bfloat16,
/// float32 does as well.
void check_parameter(const char* where, const char* name, const Tensor& parameter, IntArrayRef sizes, const Tensor& x);

/// A parameter as kernels take it: contiguous and in the dtype that x is computed in; undefined if it is.
Tensor parameter_for(const Tensor& parameter, const Tensor& x);
/// x in blocks of `block` channels, in the dtype that it is computed in.
kernels::Blocked blocks_for(const Tensor& x, std::int64_t block);

/// A result [batch, channels, ...] in blocks of channels, while a kernel computes it.
class BlockedResult {
 public:
  BlockedResult(const Tensor& like, std::int64_t block);
  /// What the kernel is to fill.
  const kernels::Blocked& to() const { return to_; }
  /// The result, off the tape.
  Tensor get();

 private:
  Tensor y_;
  kernels::Blocked own_;
  kernels::Blocked to_;
};

/// Of a normalization in recorded operators: z = (x - m) r, and dx from dy w, where m and r are over `dims`, which are
/// kept. Without a center, m = 0.
struct RecordedNorm {
  Tensor z;
  Tensor r;
  Tensor dx(const Tensor& weighted, bool centered) const;

  RecordedNorm(const Tensor& x, IntArrayRef dims, double eps, bool centered);

 private:
  DimVector dims_;
};

/// A tensor of zeros.
Tensor zeros_f64(IntArrayRef sizes);
/// 1 / sqrt(variance + eps) of a contiguous float64 tensor.
Tensor rstd_of(const Tensor& variance, double eps);
/// A channel's parameter [channels] in a shape that broadcasts with x [batch, channels, ...].
Tensor beside_channels(const Tensor& parameter, const Tensor& x);
/// The sum over all dimensions but the channels, on the tape.
Tensor sum_to_channels(const Tensor& x);

}  // namespace backflow::detail
