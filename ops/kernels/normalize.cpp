// Normalization of channels: statistics of runs that stay in the cache, combined in float64, then one walk for y or dx.
#include <backflow/ops/kernels/normalize.h>

#include <cmath>
#include <vector>

#include <backflow/ops/kernels/normalize_plan_internal.h>

namespace backflow::kernels {
namespace {

using Place = NormPlan::Place;

/// Numbers of one run and each of its channels, twice.
class RunSums {
 public:
  explicit RunSums(const NormPlan& plan)
      : block_(static_cast<std::size_t>(plan.blocks().block)),
        numbers_(2 * block_ * static_cast<std::size_t>(plan.runs())),
        counts_(static_cast<std::size_t>(plan.runs())) {}
  double* first(std::int64_t run) { return numbers_.data() + 2 * block_ * static_cast<std::size_t>(run); }
  double* second(std::int64_t run) { return first(run) + block_; }
  /// How many numbers of a channel the run has.
  double& count(std::int64_t run) { return counts_[static_cast<std::size_t>(run)]; }

 private:
  std::size_t block_;
  std::vector<double> numbers_;
  std::vector<double> counts_;
};

/// Room for the loops, on the stack for blocks of usual size.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::size_t block) {
    if (3 * block > kOnStack) {
      heap_.resize(3 * block);
    }
  }
  T* data() { return heap_.empty() ? stack_ : heap_.data(); }

 private:
  static constexpr std::size_t kOnStack = 192;
  alignas(64) T stack_[kOnStack];
  std::vector<T> heap_;
};

/// One walk over x and perhaps dy: what both directions share.
template <class T>
class Walker {
 public:
  Walker(const Blocked& x, const Normalization& how_, std::size_t coefficients)
      : how(how_),
        plan(x.blocks, how_.groups != 0, sizeof(T)),
        b(plan.blocks()),
        from(x.elements.const_data_ptr<T>()),
        w_(how_.w.defined() ? how_.w.template const_data_ptr<T>() : nullptr),
        b_(how_.b.defined() ? how_.b.template const_data_ptr<T>() : nullptr),
        runs_of_block_(how_.groups == 0 ? plan.runs_of_group() : plan.runs_of_group() / b.blocks()),
        row_(static_cast<std::size_t>(b.padded_channels())),
        coefficients_(coefficients * samples() * row_) {}

 protected:
  std::size_t samples() const { return how.groups == 0 ? 1 : static_cast<std::size_t>(b.batch); }
  /// Coefficient number k of a channel (of a sample); all are zero for the channels that fill up the last block.
  T* coefficient(std::size_t k, std::int64_t sample, std::int64_t channel) {
    const std::size_t own = how.groups == 0 ? 0 : static_cast<std::size_t>(sample);
    return coefficients_.data() + (k * samples() + own) * row_ + channel;
  }
  T* coefficient(std::size_t k, const Place& place) { return coefficient(k, place.sample, place.block * b.block); }
  double weight(std::int64_t c) const { return w_ == nullptr ? 1.0 : static_cast<double>(w_[c]); }
  double bias(std::int64_t c) const { return b_ == nullptr ? 0.0 : static_cast<double>(b_[c]); }

  /// Calls f(set, first channel, end, sample) for the sets of group g of the plan; the sample is 0 for a whole batch.
  template <class F>
  void for_each_set(std::int64_t g, const F& f) const {
    if (how.groups == 0) {
      for (std::int64_t c = g * b.block; c < std::min(b.channels, (g + 1) * b.block); ++c) {
        f(c, c, c + 1, std::int64_t{0});
      }
      return;
    }
    const std::int64_t width = b.channels / how.groups;
    for (std::int64_t s = 0; s < how.groups; ++s) {
      f(g * how.groups + s, s * width, (s + 1) * width, g);
    }
  }
  /// Calls f(c, first run that has c, index of c in it) for the channels [first, end) of group g of the plan; the runs
  /// with a channel are `runs_of_block` in a row.
  template <class F>
  void for_channels(std::int64_t g, std::int64_t first, std::int64_t end, const F& f) const {
    const std::int64_t block = how.groups == 0 ? 0 : first / b.block;
    std::int64_t run = g * plan.runs_of_group() + block * runs_of_block_;
    std::int64_t j = how.groups == 0 ? first - g * b.block : first - block * b.block;
    for (std::int64_t c = first; c < end; ++c) {
      f(c, run, j);
      if (++j == b.block) {
        j = 0;
        run += runs_of_block_;
      }
    }
  }
  std::int64_t runs_of_block() const { return runs_of_block_; }

  const Normalization& how;
  NormPlan plan;
  ChannelBlocks b;
  const T* from;

 private:
  const T* w_;
  const T* b_;
  std::int64_t runs_of_block_;
  std::size_t row_;
  std::vector<T> coefficients_;
};

template <class T>
class Forward : Walker<T> {
  using Base = Walker<T>;
  using Base::b, Base::coefficient, Base::from, Base::how, Base::plan;

 public:
  Forward(const Blocked& y, const Blocked& x, const Normalization& how_, const Tensor& mean, const Tensor& variance)
      : Base(x, how_, 3),
        to_(y.elements.mutable_data_ptr<T>()),
        mean_(mean.mutable_data_ptr<double>()),
        variance_(variance.mutable_data_ptr<double>()) {}

  void run(NormStatistics statistics) {
    const auto write = [&](std::int64_t i) { apply(i); };
    if (statistics == NormStatistics::Given) {
      for (std::int64_t g = 0; g < plan.groups(); ++g) {
        set_coefficients(g);
      }
      plan.for_all_runs(write);
      return;
    }
    RunSums moments(plan);
    plan.reduce_and_apply(
        [&](std::int64_t i) {
          const Place place = plan.place(i);
          Scratch<T> scratch(place.run.block);
          moments.count(i) = static_cast<double>(place.run.count());
          normalize_loops<T>().moments(from + place.offset, place.run, moments.first(i), moments.second(i),
                                       scratch.data());
        },
        [&](std::int64_t g) {
          combine(g, moments);
          set_coefficients(g);
        },
        write);
  }

 private:
  /// The moments of sets from those of runs (Chan, Golub and LeVeque, 1979).
  void combine(std::int64_t g, RunSums& moments) {
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

  /// y = (x - m) scale + shift, where m is the mean rounded to T and the shift has what it lacks.
  void set_coefficients(std::int64_t g) {
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
    const Place place = plan.place(i);
    normalize_loops<T>().affine(from + place.offset, to_ + place.offset, coefficient(0, place), coefficient(1, place),
                                coefficient(2, place), place.run);
  }

  T* to_;
  double* mean_;
  double* variance_;
};

template <class T>
class Gradient : Walker<T> {
  using Base = Walker<T>;
  using Base::b, Base::coefficient, Base::from, Base::how, Base::plan;

 public:
  Gradient(const NormGradients& wanted, const Blocked& dy, const Blocked& x, const Normalization& how_,
           NormStatistics statistics, const Tensor& mean, const Tensor& rstd)
      : Base(x, how_, 4),
        wanted_(wanted),
        statistics_(statistics),
        dy_(dy.elements.const_data_ptr<T>()),
        to_(wanted.dx ? wanted.dx.elements.mutable_data_ptr<T>() : nullptr),
        mean_(mean.const_data_ptr<double>()),
        rstd_(rstd.const_data_ptr<double>()) {}

  void run() {
    const bool needs_sums = wanted_.dw.defined() || wanted_.db.defined() || statistics_ == NormStatistics::Own;
    for (std::int64_t g = 0; g < plan.groups(); ++g) {
      set_means(g);
    }
    if (!needs_sums) {
      plan.for_all_runs([&](std::int64_t i) { apply(i); });
      return;
    }
    RunSums sums(plan);
    const auto add = [&](std::int64_t i) { this->add(i, sums); };
    const auto finish = [&](std::int64_t g) { this->finish(g, sums); };
    if (wanted_.dx) {
      plan.reduce_and_apply(add, finish, [&](std::int64_t i) { apply(i); });
    } else {
      plan.reduce(add, finish);
    }
    add_parameters(sums);
  }

 private:
  /// dx = dy a + (x - m) k + c; k and c are for now zero.
  void set_means(std::int64_t g) {
    this->for_each_set(g, [&](std::int64_t set, std::int64_t first, std::int64_t end, std::int64_t sample) {
      for (std::int64_t c = first; c < end; ++c) {
        *coefficient(0, sample, c) = static_cast<T>(mean_[set]);
        *coefficient(1, sample, c) = static_cast<T>(rstd_[set] * this->weight(c));
      }
    });
  }

  void add(std::int64_t i, RunSums& sums) {
    const Place place = plan.place(i);
    Scratch<T> scratch(place.run.block);
    normalize_loops<T>().sums(dy_ + place.offset, from + place.offset, coefficient(0, place), place.run, sums.first(i),
                              sums.second(i), scratch.data());
  }

  /// Adds up the sums over the runs of each channel into those of the first, and sets k = -r^3 s(dy w (x - m)) and
  /// c = -r s(dy w).
  void finish(std::int64_t g, RunSums& sums) {
    const auto count = static_cast<double>(how.set_size(b));
    this->for_each_set(g, [&](std::int64_t set, std::int64_t first, std::int64_t end, std::int64_t sample) {
      double all = 0;
      double products = 0;
      this->for_channels(g, first, end, [&](std::int64_t c, std::int64_t run, std::int64_t j) {
        double& own = sums.first(run)[j];
        double& product = sums.second(run)[j];
        for (std::int64_t i = run + 1; i < run + this->runs_of_block(); ++i) {
          own += sums.first(i)[j];
          product += sums.second(i)[j];
        }
        all += own * this->weight(c);
        products += product * this->weight(c);
      });
      if (statistics_ == NormStatistics::Own) {
        const double r = rstd_[set];
        for (std::int64_t c = first; c < end; ++c) {
          *coefficient(2, sample, c) = static_cast<T>(-r * r * r * products / count);
          *coefficient(3, sample, c) = static_cast<T>(-r * all / count);
        }
      }
    });
  }

  void apply(std::int64_t i) {
    const Place place = plan.place(i);
    if (statistics_ == NormStatistics::Given) {  // x is not needed; the coefficients 2 and 3 are zero
      normalize_loops<T>().affine(dy_ + place.offset, to_ + place.offset, coefficient(2, place), coefficient(1, place),
                                  coefficient(3, place), place.run);
      return;
    }
    normalize_loops<T>().gradient(dy_ + place.offset, from + place.offset, to_ + place.offset, coefficient(0, place),
                                  coefficient(1, place), coefficient(2, place), coefficient(3, place), place.run);
  }

  /// dw = sum of dy (x - m) r, db = sum of dy, from the sums that finish left in the first runs.
  void add_parameters(RunSums& sums) {
    double* const dw = wanted_.dw.defined() ? wanted_.dw.mutable_data_ptr<double>() : nullptr;
    double* const db = wanted_.db.defined() ? wanted_.db.mutable_data_ptr<double>() : nullptr;
    std::fill_n(dw, dw == nullptr ? 0 : b.channels, 0);
    std::fill_n(db, db == nullptr ? 0 : b.channels, 0);
    for (std::int64_t g = 0; g < plan.groups(); ++g) {
      this->for_each_set(g, [&](std::int64_t set, std::int64_t first, std::int64_t end, std::int64_t) {
        this->for_channels(g, first, end, [&](std::int64_t c, std::int64_t run, std::int64_t j) {
          if (dw != nullptr) {
            dw[c] += sums.second(run)[j] * rstd_[set];
          }
          if (db != nullptr) {
            db[c] += sums.first(run)[j];
          }
        });
      });
    }
  }

  const NormGradients& wanted_;
  NormStatistics statistics_;
  const T* dy_;
  T* to_;
  const double* mean_;
  const double* rstd_;
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

void normalize_backward(const NormGradients& wanted, const Blocked& dy, const Blocked& x, const Normalization& how,
                        NormStatistics statistics, const Tensor& mean, const Tensor& rstd) {
  if (x.blocks.elements() == 0) {
    return;
  }
  dispatch_floating(x.elements.scalar_type(), "normalize_backward",
                    [&](auto zero) { Gradient<decltype(zero)>(wanted, dy, x, how, statistics, mean, rstd).run(); });
}

}  // namespace backflow::kernels
