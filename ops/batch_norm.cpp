// Batch normalization, and instance normalization, which has running statistics too.
#include <algorithm>

#include <backflow/ops/kernels/normalize.h>
#include <backflow/ops/normalization_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::NormStatistics;

/// running = (1 - momentum) running + momentum value(c) for all channels c.
template <class F>
void move_running(const Tensor& running, double momentum, const F& value) {
  if (!running.defined()) {
    return;
  }
  const Tensor wide = dense(running, kFloat64);
  const Tensor moved = empty_tensor(running.sizes(), kFloat64);
  for (std::int64_t c = 0; c < moved.numel(); ++c) {
    moved.mutable_data_ptr<double>()[c] = (1 - momentum) * wide.const_data_ptr<double>()[c] + momentum * value(c);
  }
  kernels::copy(running, moved);
  bump_version(running);
}

void check_statistics(const char* where, const Tensor& x, const Tensor& mean, const Tensor& variance, bool are_used) {
  const std::int64_t channels = x.sizes()[1];
  check_parameter(where, "running_mean", mean, {channels}, x);
  check_parameter(where, "running_var", variance, {channels}, x);
  check(!are_used || (mean.defined() && variance.defined()), where, ": running_mean ", describe(mean), ", running_var ",
        describe(variance), ": need both where the statistics of the input are not used");
}

void check_affine(const char* where, const Tensor& x, const Tensor& w, const Tensor& b) {
  check_parameter(where, "weight", w, {x.sizes()[1]}, x);
  check_parameter(where, "bias", b, {x.sizes()[1]}, x);
}

/// The numbers of each channel.
std::int64_t count_of(const Tensor& x) { return x.sizes()[1] == 0 ? 0 : x.numel() / x.sizes()[1]; }

struct NativeBatchNorm : ChannelNormState {
  static constexpr OperatorInfo info = {
      .name = "native_batch_norm",
      .signature =
          "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
          "bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
      .formula =
          "y = (x - m) r w + b, r = 1 / sqrt(v + eps), with mean m and variance v of each channel: those of the "
          "batch when training, else the running ones;  with s(u) the mean of u over a channel and z = (x - m) r: dx "
          "= w r (dy - s(dy) - z s(dy z)), else w r dy;  dw = sum of dy z, db = sum of dy",
      .doc =
          "Batch normalization of an input [batch, channels, spatial...], which may be in channel blocks; all else "
          "is of [channels]. Gives y and, when training, m and r. Training also moves the running statistics, which "
          "may be missing, in place: to (1 - momentum) old + momentum new, where the variance is that with n - 1. A "
          "bfloat16 input may have float32 parameters and statistics.",
      .dtypes = kFloatingDtypes,
      .node = "NativeBatchNormBackward0",
  };
  bool is_training;

  static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& x, const Tensor& w, const Tensor& b,
                                                    const Tensor& running_mean, const Tensor& running_var,
                                                    bool training, double momentum, double eps) {
    check_channels("native_batch_norm", x);
    check_affine("native_batch_norm", x, w, b);
    check_statistics("native_batch_norm", x, running_mean, running_var, !training);
    const std::int64_t block = kernels::block_of(x);
    BlockedResult y(x, block);
    const kernels::Normalization how{.eps = eps, .w = parameter_for(w, x), .b = parameter_for(b, x)};
    if (!training) {
      kernels::normalize(y.to(), blocks_for(x, block), how, NormStatistics::Given, dense(running_mean, kFloat64),
                         dense(running_var, kFloat64));
      const Tensor none = empty_tensor({0}, computed(x.scalar_type()));
      return {y.get(), none, none};
    }
    const Tensor mean = zeros_f64({x.sizes()[1]});
    const Tensor variance = zeros_f64({x.sizes()[1]});
    kernels::normalize(y.to(), blocks_for(x, block), how, NormStatistics::Own, mean, variance);
    if (x.numel() > 0) {
      const auto n = static_cast<double>(count_of(x));
      move_running(running_mean, momentum, [&](std::int64_t c) { return mean.const_data_ptr<double>()[c]; });
      move_running(running_var, momentum,
                   [&](std::int64_t c) { return variance.const_data_ptr<double>()[c] * (n / (n - 1)); });
    }
    return {y.get(), converted(mean, computed(x.scalar_type())),
            converted(rstd_of(variance, eps), computed(x.scalar_type()))};
  }
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor& b, const Tensor& running_mean,
            const Tensor& running_var, bool training, double, double eps, const std::tuple<Tensor, Tensor, Tensor>& y) {
    save_all(x_, w_, b, training ? std::get<1>(y) : running_mean, training ? std::get<2>(y) : running_var, eps);
    is_training = training;
  }
  void backward(Backward& b) const {
    if (GradMode::is_enabled()) {
      recorded(b);
      return;
    }
    const Tensor s = dense(b(spread), kFloat64);
    put_fused(b, 0, is_training ? NormStatistics::Own : NormStatistics::Given, is_training ? s : rstd_of(s, epsilon));
  }

 private:
  void recorded(Backward& b) const {
    const Tensor value = b(x);
    const ScalarType wide = computed(x_dtype);
    const Tensor from = cast(value, wide);
    const Tensor dy = cast(b.dy(), wide);
    if (!is_training) {
      const Tensor r = rsqrt(beside_channels(cast(b(spread), wide), value) + epsilon);
      put_recorded(b, dy, weighted(b, dy) * r, (from - beside_channels(cast(b(mean), wide), value)) * r);
      return;
    }
    DimVector dims{0};
    for (std::int64_t d = 2; d < value.dim(); ++d) {
      dims.push_back(d);
    }
    const RecordedNorm norm(from, dims, epsilon, true);
    put_recorded(b, dy, norm.dx(weighted(b, dy), true), norm.z);
  }

 public:
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
      .name = "batch_norm",
      .signature =
          "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
          "training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
      .formula = "y = native_batch_norm(x, w, b, ...)",
      .doc =
          "The first result of native_batch_norm. When training, an Error unless each channel has more than one "
          "value; cudnn_enabled has no meaning.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                        const Tensor& running_var, bool training, double momentum, double eps, bool) {
    check_channels("batch_norm", x);
    check_affine("batch_norm", x, w, b);
    check_statistics("batch_norm", x, running_mean, running_var, !training);
    check(!training || count_of(x) != 1, "batch_norm: input ", describe(x),
          ": need more than 1 value per channel when training");
    return std::get<0>(native_batch_norm(x, w, b, running_mean, running_var, training, momentum, eps));
  }
};

struct InstanceNorm {
  static constexpr OperatorInfo info = {
      .name = "instance_norm",
      .signature =
          "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
          "use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor",
      .formula =
          "y = (x - m) r w + b, r = 1 / sqrt(v + eps), with mean m and variance v of each channel of each sample, or "
          "else the running ones",
      .doc =
          "Instance normalization of an input [batch, channels, spatial...], which may be in channel blocks; the "
          "parameters and running statistics, which may be missing, are of [channels]. The running statistics move "
          "towards the means over the batch of m and v (with n - 1); without use_input_stats, they are used. "
          "cudnn_enabled has no meaning.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                        const Tensor& running_var, bool use_input_stats, double momentum, double eps, bool) {
    check_channels("instance_norm", x);
    check_affine("instance_norm", x, w, b);
    check_statistics("instance_norm", x, running_mean, running_var, !use_input_stats);
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
