#pragma once

// What the normalizing operators have in common.

#include <optional>

#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/normalization/normalize.h>
#include <backflow/ops/reductions/magnitudes_internal.h>

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
  /// In the elements of `over`, which is in such blocks and of the dtype that it is computed in.
  BlockedResult(const Tensor& over, const kernels::Blocked& blocks) : y_(over), own_(blocks), to_(blocks) {}
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
/// kept. Without a center, m = 0. Also what kernels hand over where squares overflow or vanish (see is_usable): it then
/// computes in float64, or that too in units of the largest |x|. Results have the dtype of x.
class RecordedNorm {
 public:
  RecordedNorm(const Tensor& x, IntArrayRef dims, double eps, bool centered);

  Tensor z() const { return cast(z_, dtype_); }
  Tensor r() const { return cast(in_units(r_), dtype_); }
  Tensor dx(const Tensor& weighted, bool centered) const;

 private:
  Tensor in_units(const Tensor& x) const { return unit_.defined() ? x / unit_ : x; }

  DimVector dims_;
  ScalarType dtype_;
  Tensor unit_;  // undefined: 1
  Tensor z_;
  Tensor r_;  // of x / unit
};

/// What a normalization keeps for its backward.
struct NormState {
  SavedTensor x;
  SavedTensor w;
  SavedTensor mean;    // none without a center
  SavedTensor spread;  // r, or the running variance
  ScalarType x_dtype;
  ScalarType w_dtype;
  ScalarType b_dtype;
  double epsilon;

 protected:
  /// Undefined tensors are left out.
  void save_all(const Tensor& x_, const Tensor& w_, const Tensor& b, const Tensor& mean_, const Tensor& spread_,
                double eps);
  Tensor weight(Backward& b) const { return w.defined() ? b(w) : Tensor(); }
  /// Whether the kernels can work with r, which is what `spread` is.
  bool has_usable_rstd(Backward& b) const { return is_usable_rstd(b(spread), x_dtype); }
  /// Gives those gradients that are defined, in the dtypes of their operands, on the tape.
  void put(Backward& b, const Tensor& dx, const Tensor& dw, const Tensor& db) const;
};

/// What followed a normalization: nothing, or relu, perhaps of the sum with operand number `residual`.
struct NormTail {
  Tensor y = {};  ///< relu's result
  std::optional<std::size_t> residual = {};
};

/// The same of a normalization of channels.
struct ChannelNormState : NormState {
 protected:
  /// All gradients that are wanted, by the kernel, with r contiguous in float64.
  void put_fused(Backward& b, std::int64_t groups, kernels::NormStatistics statistics, const Tensor& r,
                 const NormTail& tail = {}, const kernels::GroupSum* group = nullptr) const;
  /// dy w, on the tape and in the dtype in which x is computed.
  Tensor weighted(Backward& b, const Tensor& dy) const;
  /// All gradients that are wanted, on the tape: from dx, and z = (x - m) r in the shape of x.
  void put_recorded(Backward& b, const Tensor& dy, const Tensor& dx, const Tensor& z) const;
};

/// z w + b with parameters, which may be undefined, in shapes that broadcast with z.
Tensor with_parameters(const Tensor& z, const Tensor& w, const Tensor& b);
/// A tensor of zeros.
Tensor zeros_f64(IntArrayRef sizes);
/// 1 / sqrt(variance + eps) of a contiguous float64 tensor.
Tensor rstd_of(const Tensor& variance, double eps);
/// A channel's parameter [channels] in a shape that broadcasts with x [batch, channels, ...]; undefined if it is.
Tensor beside_channels(const Tensor& parameter, const Tensor& x);
/// The sum over all dimensions but the channels, on the tape.
Tensor sum_to_channels(const Tensor& x);

}  // namespace backflow::detail
