// Batch normalization, and instance normalization, which has running statistics too.
#include <algorithm>

#include <backflow/ops/normalization/batch_norm_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct NativeBatchNorm : BatchNormState {
  static constexpr OperatorInfo info = {
      .signature =
          "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
          "bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
      .formula =
          "y = (x - m) r w + b, r = 1 / sqrt(v + eps), with mean m and variance v of each channel: those of the "
          "batch when training, else the running ones;  with s(u) the mean of u over a channel and z = (x - m) r: dx "
          "= w r (dy - s(dy) - z s(dy z)), else w r dy;  dw = sum of dy z, db = sum of dy",
      .doc =
          "Batch normalization of an input [batch, channels, spatial...]; parameters and statistics are [channels]. "
          "Returns y and, in training, m and r. Training updates the running statistics in place, if given: to (1 - "
          "momentum) old + momentum new, with the unbiased variance. A bfloat16 input may have float32 parameters and "
          "statistics.",
      .dtypes = kFloatingDtypes,
      .node = "NativeBatchNormBackward0",
  };

  static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& x, const Tensor& w, const Tensor& b,
                                                    const Tensor& running_mean, const Tensor& running_var,
                                                    bool training, double momentum, double eps) {
    const BatchNormOperands of{"native_batch_norm", x, w, b, running_mean, running_var};
    of.check_all(!training);
    return results(of, training, momentum, eps, false, {});
  }
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor& b, const Tensor& running_mean,
            const Tensor& running_var, bool training, double, double eps, const std::tuple<Tensor, Tensor, Tensor>& y) {
    save_results({info.name, x_, w_, b, running_mean, running_var}, training, eps, y);
  }
  void backward(Backward& b) const {
    if (GradMode::is_enabled() || !is_fusible(b)) {
      recorded(b, b.dy());
    } else {
      fused(b, {});
    }
  }
  static Cost forward_cost(const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&, bool training,
                           double, double) {
    return elementwise_cost(x, training ? 3 : 2);
  }
  static Cost cost(const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&, bool training, double,
                   double) {
    return elementwise_cost(x, training ? 5 : 3);
  }
};

struct BatchNorm {
  static constexpr OperatorInfo info = {
      .signature =
          "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
          "training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
      .formula = "y = native_batch_norm(x, w, b, ...)",
      .doc =
          "The first result of native_batch_norm. In training, an Error unless each channel has more than one value. "
          "cudnn_enabled is ignored.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                        const Tensor& running_var, bool training, double momentum, double eps, bool) {
    const BatchNormOperands of{"batch_norm", x, w, b, running_mean, running_var};
    of.check_all(!training);
    if (training) {
      of.check_trains();
    }
    return std::get<0>(native_batch_norm(x, w, b, running_mean, running_var, training, momentum, eps));
  }
};

struct InstanceNorm {
  static constexpr OperatorInfo info = {
      .signature =
          "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
          "use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
      .formula =
          "y = (x - m) r w + b, r = 1 / sqrt(v + eps), with mean m and variance v of each channel of each sample, or "
          "else the running ones",
      .doc =
          "Instance normalization of an input [batch, channels, spatial...]. Parameters and running statistics are "
          "optional, [channels]. With use_input_stats the running statistics are updated by the means over the batch "
          "of m and the unbiased v; without it they are used. cudnn_enabled is ignored.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                        const Tensor& running_var, bool use_input_stats, double momentum, double eps, bool) {
    BatchNormOperands{"instance_norm", x, w, b, running_mean, running_var}.check_all(!use_input_stats);
    if (!use_input_stats) {
      return std::get<0>(native_batch_norm(x, w, b, running_mean, running_var, false, momentum, eps));
    }
    const std::int64_t batch = x.sizes()[0];
    const std::int64_t channels = x.sizes()[1];
    const std::int64_t positions = kernels::blocks_of(x.sizes(), 1).spatial;
    const auto [y, mean, rstd] = native_group_norm(x, w, b, batch, channels, positions, channels, eps);
    if (x.numel() > 0) {
      const Tensor means = dense(mean, kFloat64);
      const Tensor rstds = dense(rstd, kFloat64);
      const auto average = [&](std::int64_t c, const auto& f) {
        double total = 0;
        for (std::int64_t n = 0; n < batch; ++n) {
          total += f(n * channels + c);
        }
        return total / static_cast<double>(batch);
      };
      move_running(running_mean, momentum, [&](std::int64_t c) {
        return average(c, [&](std::int64_t i) { return means.const_data_ptr<double>()[i]; });
      });
      move_running(running_var, momentum, [&](std::int64_t c) {
        return average(c, [&](std::int64_t i) { return variance(rstds.const_data_ptr<double>()[i], positions, eps); });
      });
    }
    return y;
  }

 private:
  /// The variance with n - 1 of n numbers from r.
  static double variance(double rstd, std::int64_t count, double eps) {
    const auto n = static_cast<double>(count);
    return std::max(0.0, 1 / (rstd * rstd) - eps) * (n / (n - 1));
  }
};

}  // namespace

#include <backflow/ops/batch_norm_functions.inc>

OperatorFamily batch_norm_operators() { return family<NativeBatchNorm, BatchNorm, InstanceNorm>("batch_norm"); }

}  // namespace backflow
