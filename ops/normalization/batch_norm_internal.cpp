#include <backflow/ops/normalization/batch_norm_internal.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/normalization/normalize.h>
#include <backflow/runtime/threads/branch.h>

namespace backflow::detail {
namespace {

using kernels::NormStatistics;

/// The numbers of each channel.
std::int64_t count_of(const Tensor& x) { return x.sizes()[1] == 0 ? 0 : x.numel() / x.sizes()[1]; }

/// All dimensions but the channels.
DimVector dims_of_channels(const Tensor& x) {
  DimVector dims{0};
  for (std::int64_t d = 2; d < x.dim(); ++d) {
    dims.push_back(d);
  }
  return dims;
}

/// What a batch normalization gives, and the variance in float64.
struct OwnResults {
  Tensor y;
  Tensor mean;
  Tensor rstd;
  Tensor variance;
};

/// The same, where squares overflow or vanish.
OwnResults own_in_operators(const BatchNormOperands& of, double eps, bool relu, const Tensor& residual) {
  const NoGradGuard no_grad;
  const Tensor& x = of.x;
  const Tensor from = cast(x, computed(x.scalar_type()));
  const DimVector dims = dims_of_channels(x);
  const RecordedNorm norm(from, dims, eps, true);
  Tensor y = with_parameters(norm.z(), beside_channels(of.w, x), beside_channels(of.b, x));
  if (relu) {
    y = backflow::relu(residual.defined() ? y + residual : y);
  }
  return {cast(y, x.scalar_type()), dense(mean(from, dims), kFloat64), dense(norm.r().flatten(), from.scalar_type()),
          var(to(x, kFloat64), dims, false)};
}

/// Makes the mean and the variance of `count` numbers of each channel those of all members of the group, by Chan's
/// formula in float64; returns the count over all. A member may have no numbers.
double combine_in_group(const char* where, StatisticsGroup& group, double count, const Tensor& mean,
                        const Tensor& variance) {
  const auto channels = static_cast<std::size_t>(mean.numel());
  double* const means = mean.mutable_data_ptr<double>();
  double* const variances = variance.mutable_data_ptr<double>();
  std::vector<double> sums(channels + 1);
  std::transform(means, means + channels, sums.begin(), [count](double m) { return count * m; });
  sums[channels] = count;
  wait_for_turn();  // closures of a parallel() meet the other members in the order of a serial run
  group.sum(sums);
  const double total = sums[channels];
  check(total != 1, where, ": 1 value per channel over all processes: need more when training");
  std::vector<double> squares(channels);
  for (std::size_t c = 0; c < channels && total > 0; ++c) {
    const double all = sums[c] / total;
    squares[c] = count > 0 ? count * (variances[c] + (means[c] - all) * (means[c] - all)) : 0;
    means[c] = all;
  }
  group.sum(squares);
  std::transform(squares.begin(), squares.end(), variances,
                 [total](double sum) { return total > 0 ? sum / total : 0; });
  return total;
}

}  // namespace

void BatchNormOperands::check_all(bool uses_running) const {
  check_channels(where, x);
  const std::int64_t channels = x.sizes()[1];
  check_parameter(where, "weight", w, {channels}, x);
  check_parameter(where, "bias", b, {channels}, x);
  check_parameter(where, "running_mean", running_mean, {channels}, x);
  check_parameter(where, "running_var", running_var, {channels}, x);
  check(!uses_running || (running_mean.defined() && running_var.defined()), where, ": running_mean ",
        describe(running_mean), ", running_var ", describe(running_var),
        ": need both where the statistics of the input are not used");
}

void BatchNormOperands::check_trains() const {
  check(count_of(x) != 1 || StatisticsGroupGuard::current() != nullptr, where, ": input ", describe(x),
        ": need more than 1 value per channel when training");
}

void move_running(const Tensor& running, double momentum, FunctionRef<double(std::int64_t c)> value) {
  if (!running.defined()) {
    return;
  }
  const std::int64_t channels = running.numel();
  const auto move = [&](auto* to) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const double moved = (1 - momentum) * static_cast<double>(to[c]) + momentum * value(c);
      to[c] = static_cast<std::remove_reference_t<decltype(*to)>>(moved);
    }
  };
  if (running.is_contiguous() && running.scalar_type() != kBFloat16) {
    dispatch_floating(running.scalar_type(), "batch_norm",
                      [&](auto zero) { move(running.mutable_data_ptr<decltype(zero)>()); });
  } else {
    const Tensor wide = empty_tensor(running.sizes(), kFloat64);
    kernels::copy(wide, running);
    move(wide.mutable_data_ptr<double>());
    kernels::copy(running, wide);
  }
  bump_version(running);
}

std::tuple<Tensor, Tensor, Tensor> BatchNormState::results(const BatchNormOperands& of, bool training, double momentum,
                                                           double eps, bool relu, const Tensor& residual) {
  const Tensor& x = of.x;
  const std::int64_t block = kernels::block_of(x);
  BlockedResult y(x, block);
  const kernels::Normalization how{
      .eps = eps,
      .w = parameter_for(of.w, x),
      .b = parameter_for(of.b, x),
      .relu = relu,
      .residual = residual.defined() ? blocks_for(residual, block) : kernels::Blocked{},
  };
  if (!training) {
    // Statistics of the dtype that is computed in are read as they are: for small x a copy would count.
    const ScalarType wide = computed(x.scalar_type());
    const ScalarType dtype =
        of.running_mean.scalar_type() == wide && of.running_var.scalar_type() == wide ? wide : kFloat64;
    kernels::normalize(y.to(), blocks_for(x, block), how, NormStatistics::Given, dense(of.running_mean, dtype),
                       dense(of.running_var, dtype));
    const Tensor none = empty_tensor({0}, computed(x.scalar_type()));
    return {y.get(), none, none};
  }
  const Tensor mean = zeros_f64({x.sizes()[1]});
  const Tensor variance = zeros_f64({x.sizes()[1]});
  const std::shared_ptr<StatisticsGroup>& group = StatisticsGroupGuard::current();
  auto n = static_cast<double>(count_of(x));
  OwnResults own;
  if (group != nullptr) {
    const kernels::Blocked from = blocks_for(x, block);
    kernels::channel_moments(from, mean, variance);
    n = combine_in_group(of.where, *group, n, mean, variance);
    kernels::normalize(y.to(), from, how, NormStatistics::Given, mean, variance);
    own = {y.get(), mean, rstd_of(variance, eps), variance};
  } else {
    kernels::normalize(y.to(), blocks_for(x, block), how, NormStatistics::Own, mean, variance);
    own = x.numel() == 0 || is_usable(variance, eps, x.scalar_type())
              ? OwnResults{y.get(), mean, rstd_of(variance, eps), variance}
              : own_in_operators(of, eps, relu, residual);
  }
  if (n > 0) {
    const double* const means = own.mean.const_data_ptr<double>();
    const double* const variances = own.variance.const_data_ptr<double>();
    move_running(of.running_mean, momentum, [&](std::int64_t c) { return means[c]; });
    move_running(of.running_var, momentum, [&](std::int64_t c) { return variances[c] * (n / (n - 1)); });
  }
  return {own.y, converted(own.mean, computed(x.scalar_type())), converted(own.rstd, computed(x.scalar_type()))};
}

void BatchNormState::save_results(const BatchNormOperands& of, bool training, double eps,
                                  const std::tuple<Tensor, Tensor, Tensor>& y) {
  save_all(of.x, of.w, of.b, training ? std::get<1>(y) : of.running_mean, training ? std::get<2>(y) : of.running_var,
           eps);
  is_training = training;
  group = training ? StatisticsGroupGuard::current() : nullptr;
}

bool BatchNormState::is_fusible(Backward& b) const {
  return group != nullptr || (is_training ? has_usable_rstd(b) : is_usable(b(spread), epsilon, x_dtype));
}

void BatchNormState::fused(Backward& b, const NormTail& tail) const {
  const Tensor s = dense(b(spread), kFloat64);
  if (group != nullptr) {
    fused_in_group(b, s, tail);
    return;
  }
  put_fused(b, 0, is_training ? NormStatistics::Own : NormStatistics::Given, is_training ? s : rstd_of(s, epsilon),
            tail);
}

void BatchNormState::fused_in_group(Backward& b, const Tensor& r, const NormTail& tail) const {
  if (b(x).numel() == 0) {  // the kernel has nothing to do, the others wait for the sums
    std::vector<double> none(2 * static_cast<std::size_t>(r.numel()) + 1);
    group->sum(none);
  }
  const auto sum = [this](std::span<double> numbers) { group->sum(numbers); };
  const kernels::GroupSum of_group(sum);
  put_fused(b, 0, NormStatistics::Own, r, tail, &of_group);
}

void BatchNormState::recorded(Backward& b, const Tensor& dz) const {
  check(group == nullptr, "batch_norm over several processes: second derivative: need create_graph = false");
  const Tensor value = b(x);
  const ScalarType wide = computed(x_dtype);
  const Tensor from = cast(value, wide);
  const Tensor dy = cast(dz, wide);
  if (!is_training) {
    const Tensor r = rsqrt(beside_channels(cast(b(spread), wide), value) + epsilon);
    put_recorded(b, dy, weighted(b, dy) * r, (from - beside_channels(cast(b(mean), wide), value)) * r);
    return;
  }
  const RecordedNorm norm(from, dims_of_channels(value), epsilon, true);
  put_recorded(b, dy, norm.dx(weighted(b, dy), true), norm.z());
}

}  // namespace backflow::detail
