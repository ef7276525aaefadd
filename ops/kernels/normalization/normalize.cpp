// Normalization of channels: statistics of runs that stay in the cache, combined in float64, then one walk for y.
#include <backflow/ops/kernels/normalization/normalize.h>

#include <cmath>

#include <backflow/ops/kernels/normalization/normalize_walker.h>

namespace backflow::kernels {
namespace {

template <class T>
class Forward : Walker<T> {
  using Base = Walker<T>;
  using Base::b, Base::coefficient, Base::from, Base::how, Base::plan;

 public:
  Forward(const Blocked& y, const Blocked& x, const Normalization& how_, const Tensor& mean, const Tensor& variance)
      : Base(x, how_, 3),
        to_{.y = y ? y.elements.template mutable_data_ptr<T>() : nullptr,
            .relu = how_.relu,
            .residual = how_.residual ? how_.residual.elements.template const_data_ptr<T>() : nullptr},
        means_(mean),
        variances_(variance) {}

  void run(NormStatistics statistics) {
    const auto write = [&](std::int64_t i) { apply(i); };
    if (statistics == NormStatistics::Given) {
      set_given_coefficients();
      plan.for_all_runs(write);
      return;
    }
    point_to_moments();
    RunSums moments(plan);
    plan.reduce_and_apply([&](std::int64_t i) { add(i, moments); },
                          [&](std::int64_t g) {
                            combine(g, moments);
                            set_coefficients(g);
                          },
                          write);
  }

  /// Only mean and variance of each set.
  void find_moments() {
    point_to_moments();
    RunSums moments(plan);
    plan.reduce([&](std::int64_t i) { add(i, moments); }, [&](std::int64_t g) { combine(g, moments); });
  }

 private:
  void point_to_moments() {
    mean_ = means_.mutable_data_ptr<double>();
    variance_ = variances_.mutable_data_ptr<double>();
  }

  void add(std::int64_t i, RunSums& moments) {
    const RunPlace place = plan.place(i);
    Scratch<T> scratch(place.run.block);
    moments.count(i) = static_cast<double>(place.run.count());
    normalize_loops<T>().moments(from + place.offset, place.run, moments.first(i), moments.second(i), scratch.data());
  }

  /// The moments of sets from those of runs (Chan, Golub and LeVeque, 1979), in the order of the runs.
  void combine(std::int64_t g, RunSums& moments) {
    if (how.groups == 0) {
      combine_channels(g, moments);
      return;
    }
    const auto count = static_cast<double>(how.set_size(b));
    this->for_each_set(g, [&](std::int64_t set, std::int64_t first, std::int64_t end, std::int64_t) {
      double total = 0;
      double m2 = 0;
      const auto for_all = [&](const auto& f) {
        this->for_channels(g, first, end, [&](std::int64_t, std::int64_t run, std::int64_t j) {
          for (std::int64_t i = run; i < run + this->runs_of_block(); ++i) {
            f(moments.count(i), moments.first(i)[j], moments.second(i)[j]);
          }
        });
      };
      for_all([&](double n, double mean, double) { total += n * mean; });
      const double mean = total / count;
      for_all([&](double n, double own, double squares) { m2 += squares + n * (own - mean) * (own - mean); });
      mean_[set] = mean;
      variance_[set] = m2 / count;
    });
  }

  /// The same where each channel is a set: the channels of a block side by side, run by run.
  void combine_channels(std::int64_t g, RunSums& moments) {
    const auto count = static_cast<double>(how.set_size(b));
    const std::int64_t channels = std::min(b.block, b.channels - g * b.block);
    double* const mean = mean_ + g * b.block;
    double* const m2 = variance_ + g * b.block;
    const auto divide = [&](double* sums) {
      for (std::int64_t j = 0; j < channels; ++j) {
        sums[j] /= count;
      }
    };
    std::fill_n(mean, channels, 0);
    std::fill_n(m2, channels, 0);
    const std::int64_t end = (g + 1) * plan.runs_of_group();
    for (std::int64_t i = g * plan.runs_of_group(); i < end; ++i) {
      const double n = moments.count(i);
      const double* const own = moments.first(i);
      for (std::int64_t j = 0; j < channels; ++j) {
        mean[j] += n * own[j];
      }
    }
    divide(mean);
    for (std::int64_t i = g * plan.runs_of_group(); i < end; ++i) {
      const double n = moments.count(i);
      const double* const own = moments.first(i);
      const double* const squares = moments.second(i);
      for (std::int64_t j = 0; j < channels; ++j) {
        m2[j] += squares[j] + n * (own[j] - mean[j]) * (own[j] - mean[j]);
      }
    }
    divide(m2);
  }

  NormCoefficients<T> coefficients_from(std::int64_t channel) const {
    return {coefficient(0, 0, channel), coefficient(1, 0, channel), coefficient(2, 0, channel)};
  }

  /// Those of all channels, each of which is a set.
  void set_given_coefficients() {
    const auto n = static_cast<std::size_t>(b.channels);
    if (means_.scalar_type() == kFloat64) {
      normalize_loops<T>().coefficients(means_.const_data_ptr<double>(), variances_.const_data_ptr<double>(),
                                        this->parameters(0), n, coefficients_from(0));
    } else {
      normalize_loops<T>().coefficients_of_own(means_.const_data_ptr<T>(), variances_.const_data_ptr<T>(),
                                               this->parameters(0), n, coefficients_from(0));
    }
  }

  void set_coefficients(std::int64_t g) {
    if (how.groups == 0) {
      const std::int64_t first = g * b.block;
      normalize_loops<T>().coefficients(mean_ + first, variance_ + first, this->parameters(first),
                                        static_cast<std::size_t>(std::min(b.block, b.channels - first)),
                                        coefficients_from(first));
      return;
    }
    this->for_each_set(g, [&](std::int64_t set, std::int64_t first, std::int64_t end, std::int64_t sample) {
      const T m = static_cast<T>(mean_[set]);
      const double rest = mean_[set] - static_cast<double>(m);
      const double rstd = 1 / std::sqrt(variance_[set] + how.eps);
      for (std::int64_t c = first; c < end; ++c) {
        const double scale = rstd * this->weight(c);
        *coefficient(0, sample, c) = m;
        *coefficient(1, sample, c) = static_cast<T>(scale);
        *coefficient(2, sample, c) = static_cast<T>(this->bias(c) - rest * scale);
      }
    });
  }

  void apply(std::int64_t i) {
    const RunPlace place = plan.place(i);
    normalize_loops<T>().affine(from + place.offset, to_.at(place.offset), coefficient(0, place), coefficient(1, place),
                                coefficient(2, place), place.run);
  }

  NormResult<T> to_;
  const Tensor& means_;
  const Tensor& variances_;
  double* mean_ = nullptr;  // where x's own go
  double* variance_ = nullptr;
};

}  // namespace

void normalize(const Blocked& y, const Blocked& x, const Normalization& how, NormStatistics statistics,
               const Tensor& mean, const Tensor& variance) {
  if (x.blocks.elements() == 0) {
    return;
  }
  dispatch_floating(x.elements.scalar_type(), "normalize",
                    [&](auto zero) { Forward<decltype(zero)>(y, x, how, mean, variance).run(statistics); });
}

void channel_moments(const Blocked& x, const Tensor& mean, const Tensor& variance) {
  if (x.blocks.elements() == 0) {
    return;
  }
  dispatch_floating(x.elements.scalar_type(), "channel_moments",
                    [&](auto zero) { Forward<decltype(zero)>({}, x, {}, mean, variance).find_moments(); });
}

}  // namespace backflow::kernels
