#pragma once

#include <cstdint>
#include <span>

#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/runtime/base/function_ref.h>

// Normalization of channels: y = (x - m) r w + b, where r = 1 / sqrt(v + eps) and m and v are mean and variance of a
// set of numbers. All elements are float32 or float64, x in any channel blocks, and all that has its shape
// in the same ones.
namespace backflow::kernels {

/// What is normalized together, and with which parameters.
struct Normalization {
  /// A set are the numbers of so many groups of channels, each of one sample; 0: of a channel over the whole batch.
  std::int64_t groups = 0;
  double eps = 0;
  Tensor w = {};  ///< [channels], contiguous, of the dtype of x; undefined: ones
  Tensor b = {};  ///< the same; undefined: zeros
  /// What follows in the walk that writes y: y = max(y + residual, 0), where NaN stays.
  bool relu = false;
  Blocked residual = {};  ///< in the blocks of x, only with relu; undefined: zeros

  /// The number of sets, and of the numbers of one.
  std::int64_t sets(const ChannelBlocks& x) const { return groups == 0 ? x.channels : x.batch * groups; }
  std::int64_t set_size(const ChannelBlocks& x) const {
    return groups == 0 ? x.batch * x.spatial : x.channels / groups * x.spatial;
  }
};

/// Where the mean and the variance come from: from x, or from elsewhere, so that they do not depend on x.
enum class NormStatistics { Own, Given };

/// Fills y. Mean and variance are contiguous float64 tensors [sets]; those that are x's own are written there. Given
/// ones are of channels, groups = 0, and may also have the dtype of x.
void normalize(const Blocked& y, const Blocked& x, const Normalization& how, NormStatistics statistics,
               const Tensor& mean, const Tensor& variance);

/// Mean and variance of each channel over the batch, as normalize finds them; contiguous float64 tensors [channels].
void channel_moments(const Blocked& x, const Tensor& mean, const Tensor& variance);

/// Replaces numbers by their sums over all processes that normalize one batch together.
using GroupSum = FunctionRef<void(std::span<double> numbers)>;

/// The gradient of the result, which relu made if `y` is defined: it is dz = dy where y > 0 or y is NaN, else 0, else
/// dy, that goes on.
struct ResultGradient {
  Blocked dy;
  Blocked y = {};
};

/// What normalize_backward is to fill: dx, and dw and db, contiguous float64 tensors [channels]; those that are not
/// wanted are undefined.
struct NormGradients {
  Blocked dx;
  Tensor dw;
  Tensor db;
  Blocked dz = {};  ///< behind relu: the gradient of the residual
};

/// The gradients from that of the result; `mean` and `rstd` (r) are contiguous float64 tensors [sets]. The
/// elements of dy may be those of dz, if that is wanted, or else of dx. With `group`, which is called once, the batch
/// is spread over processes: dx is that of the whole batch, dw and db are the parts of this process.
void normalize_backward(const NormGradients& wanted, const ResultGradient& from, const Blocked& x,
                        const Normalization& how, NormStatistics statistics, const Tensor& mean, const Tensor& rstd,
                        const GroupSum* group = nullptr);

}  // namespace backflow::kernels
