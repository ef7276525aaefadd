#pragma once

// What the operators of batch normalization have in common, with those of instance normalization that move running
// statistics.

#include <memory>
#include <optional>
#include <tuple>

#include <backflow/ops/normalization/normalization_internal.h>
#include <backflow/ops/normalization/statistics_group.h>

namespace backflow::detail {

/// The operands of a batch normalization of x [batch, channels, ...]; all but x may be undefined.
struct BatchNormOperands {
  const char* where;  ///< the operator
  const Tensor& x;
  const Tensor& w;
  const Tensor& b;
  const Tensor& running_mean;
  const Tensor& running_var;

  /// Throws Error unless shapes and dtypes fit, and the running statistics are there if `uses_running`.
  void check_all(bool uses_running) const;
  /// Throws Error unless each channel has more than one value, or none; those of a group are counted later.
  void check_trains() const;
};

/// running = (1 - momentum) running + momentum value(c) for all channels c, if it is defined.
void move_running(const Tensor& running, double momentum, FunctionRef<double(std::int64_t c)> value);

/// What batch normalization keeps, and does, whether relu follows or not.
struct BatchNormState : ChannelNormState {
  bool is_training;
  std::shared_ptr<StatisticsGroup> group;  ///< with which statistics were taken; null: alone

 protected:
  /// y, and when training the mean and r; `residual` is added in front of relu, if it is defined.
  static std::tuple<Tensor, Tensor, Tensor> results(const BatchNormOperands& of, bool training, double momentum,
                                                    double eps, bool relu, const Tensor& residual);
  /// Whether fused() can be used: no square has overflowed or vanished.
  bool is_fusible(Backward& b) const;
  void save_results(const BatchNormOperands& of, bool training, double eps,
                    const std::tuple<Tensor, Tensor, Tensor>& y);
  void fused(Backward& b, const NormTail& tail) const;
  /// The gradients of x, w and b from that of the normalization, on the tape.
  void recorded(Backward& b, const Tensor& dz) const;

 private:
  void fused_in_group(Backward& b, const Tensor& r, const NormTail& tail) const;
};

}  // namespace backflow::detail
