// The gradients of the normalization of channels: two sums over dz and x in one walk, dx in another.
#include <algorithm>
#include <cstddef>
#include <vector>

#include <backflow/ops/kernels/normalization/normalize.h>
#include <backflow/ops/kernels/normalization/normalize_walker.h>

namespace backflow::kernels {
namespace {

template <class T>
class Gradient : Walker<T> {
  using Base = Walker<T>;
  using Base::b, Base::coefficient, Base::from, Base::how, Base::plan;

 public:
  Gradient(const NormGradients& wanted, const ResultGradient& gradient, const Blocked& x, const Normalization& how_,
           NormStatistics statistics, const Tensor& mean, const Tensor& rstd, const GroupSum* group)
      : Base(x, how_, 4),
        wanted_(wanted),
        statistics_(statistics),
        group_(group),
        to_(wanted.dx ? wanted.dx.elements.mutable_data_ptr<T>() : nullptr),
        gradient_{.dy = gradient.dy.elements.const_data_ptr<T>(),
                  .y = gradient.y ? gradient.y.elements.const_data_ptr<T>() : nullptr,
                  .dz = wanted.dz ? wanted.dz.elements.mutable_data_ptr<T>() : nullptr},
        mean_(mean.const_data_ptr<double>()),
        rstd_(rstd.const_data_ptr<double>()) {}

  void run() {
    const bool needs_sums =
        wanted_.dw.defined() || wanted_.db.defined() || statistics_ == NormStatistics::Own || !wanted_.dx;
    parallel_ranges(plan.groups(), kChannel * static_cast<double>(b.channels * this->samples()),
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t g = begin; g < end; ++g) {
                        set_means(g);
                      }
                    });
    if (!needs_sums) {
      plan.for_all_runs([&](std::int64_t i) { apply(i, gradient_); });
      return;
    }
    // Behind relu the first walk writes dz, into dx where nobody wants it: the second has one tensor less to read.
    if (gradient_.y != nullptr && gradient_.dz == nullptr) {
      gradient_.dz = to_;
    }
    RunSums sums(plan);
    const auto add = [&](std::int64_t i) { this->add(i, sums); };
    const auto finish = [&](std::int64_t g) { this->finish(g, sums); };
    const NormGradient<T> made{.dy = gradient_.dz == nullptr ? gradient_.dy : gradient_.dz};
    const auto write = [&](std::int64_t i) { apply(i, made); };
    if (group_ != nullptr) {
      plan.reduce(add, [&](std::int64_t g) { add_runs_of_group(g, sums); });
      add_up_in_group(sums);
      if (wanted_.dx) {
        plan.for_all_runs(write);
      }
    } else if (wanted_.dx) {
      plan.reduce_and_apply(add, finish, write);
    } else {
      plan.reduce(add, finish);
    }
    add_parameters(sums);
  }

 private:
  static constexpr double kChannel = 4;  // ns of the parameters of a channel of a sample

  /// dx = dz a + (x - m) k + c; k and c are for now zero.
  void set_means(std::int64_t g) {
    this->for_each_set(g, [&](std::int64_t set, std::int64_t first, std::int64_t end, std::int64_t sample) {
      for (std::int64_t c = first; c < end; ++c) {
        *coefficient(0, sample, c) = static_cast<T>(mean_[set]);
        *coefficient(1, sample, c) = static_cast<T>(rstd_[set] * this->weight(c));
      }
    });
  }

  void add(std::int64_t i, RunSums& sums) {
    const RunPlace place = plan.place(i);
    Scratch<T> scratch(place.run.block);
    normalize_loops<T>().sums(gradient_.at(place.offset), from + place.offset, coefficient(0, place), place.run,
                              sums.first(i), sums.second(i), scratch.data());
  }

  /// Adds up the sums over the runs of each channel into those of the first, and sets k = -r^3 s(dz w (x - m)) and
  /// c = -r s(dz w).
  void finish(std::int64_t g, RunSums& sums) {
    add_runs_of_group(g, sums);
    const auto count = static_cast<double>(how.set_size(b));
    this->for_each_set(g, [&](std::int64_t set, std::int64_t first, std::int64_t end, std::int64_t sample) {
      double all = 0;
      double products = 0;
      this->for_channels(g, first, end, [&](std::int64_t c, std::int64_t run, std::int64_t j) {
        all += sums.first(run)[j] * this->weight(c);
        products += sums.second(run)[j] * this->weight(c);
      });
      if (statistics_ == NormStatistics::Own) {
        for (std::int64_t c = first; c < end; ++c) {
          set_coefficients(rstd_[set], all, products, count, sample, c);
        }
      }
    });
  }

  /// From the sums of dz w and dz w (x - m) over `count` numbers.
  void set_coefficients(double r, double all, double products, double count, std::int64_t sample, std::int64_t c) {
    *coefficient(2, sample, c) = static_cast<T>(-r * r * r * products / count);
    *coefficient(3, sample, c) = static_cast<T>(-r * all / count);
  }

  /// The same for channels of a batch that is spread over processes: their sums, and the numbers of a channel, in one
  /// message.
  void add_up_in_group(RunSums& sums) {
    const auto channels = static_cast<std::size_t>(b.channels);
    std::vector<double> all(2 * channels + 1);
    all[2 * channels] = static_cast<double>(how.set_size(b));
    const auto for_all_channels = [&](const auto& f) {
      for (std::int64_t g = 0; g < plan.groups(); ++g) {
        for (std::int64_t c = g * b.block; c < std::min(b.channels, (g + 1) * b.block); ++c) {
          f(c, g * plan.runs_of_group(), c - g * b.block);
        }
      }
    };
    for_all_channels([&](std::int64_t c, std::int64_t run, std::int64_t j) {
      all[static_cast<std::size_t>(c)] = sums.first(run)[j] * this->weight(c);
      all[channels + static_cast<std::size_t>(c)] = sums.second(run)[j] * this->weight(c);
    });
    (*group_)(all);
    const double count = all[2 * channels];
    for_all_channels([&](std::int64_t c, std::int64_t, std::int64_t) {
      set_coefficients(rstd_[c], all[static_cast<std::size_t>(c)], all[channels + static_cast<std::size_t>(c)], count,
                       0, c);
    });
  }

  void add_runs_of_group(std::int64_t g, RunSums& sums) {
    for (std::int64_t run = g * plan.runs_of_group(); run < (g + 1) * plan.runs_of_group();
         run += this->runs_of_block()) {
      add_runs(run, sums);
    }
  }

  /// Adds the sums of all runs of a block of channels to those of its first, in their order, channels side by side.
  void add_runs(std::int64_t run, RunSums& sums) {
    double* const own = sums.first(run);  // the second follows
    for (std::int64_t i = run + 1; i < run + this->runs_of_block(); ++i) {
      const double* const other = sums.first(i);
      for (std::int64_t j = 0; j < 2 * b.block; ++j) {
        own[j] += other[j];
      }
    }
  }

  void apply(std::int64_t i, const NormGradient<T>& gradient) {
    const RunPlace place = plan.place(i);
    T* const dx = to_ + place.offset;
    if (statistics_ == NormStatistics::Given) {  // x is not needed; the coefficients 2 are zero
      normalize_loops<T>().scaled(gradient.at(place.offset), dx, coefficient(1, place), coefficient(2, place),
                                  place.run);
      return;
    }
    normalize_loops<T>().gradient(gradient.dy + place.offset, from + place.offset, dx, coefficient(0, place),
                                  coefficient(1, place), coefficient(2, place), coefficient(3, place), place.run);
  }

  /// dw = sum of dz (x - m) r, db = sum of dz, from the sums that finish left in the first runs: over samples, in their
  /// order. The channels are cut freely.
  void add_parameters(RunSums& sums) {
    double* const dw = wanted_.dw.defined() ? wanted_.dw.mutable_data_ptr<double>() : nullptr;
    double* const db = wanted_.db.defined() ? wanted_.db.mutable_data_ptr<double>() : nullptr;
    std::fill_n(dw, dw == nullptr ? 0 : b.channels, 0);
    std::fill_n(db, db == nullptr ? 0 : b.channels, 0);
    parallel_ranges(b.channels, kChannel * static_cast<double>(b.channels * this->samples()),
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t sample = 0; sample < this->samples(); ++sample) {
                        for (std::int64_t c = begin; c < end; ++c) {
                          add_parameter(sample, c, sums, dw, db);
                        }
                      }
                    });
  }
  void add_parameter(std::int64_t sample, std::int64_t c, RunSums& sums, double* dw, double* db) const {
    const std::int64_t run = sample * plan.runs_of_group() + c / b.block * this->runs_of_block();
    const std::int64_t set = how.groups == 0 ? c : (sample * b.channels + c) * how.groups / b.channels;
    if (dw != nullptr) {
      dw[c] += sums.second(run)[c % b.block] * rstd_[set];
    }
    if (db != nullptr) {
      db[c] += sums.first(run)[c % b.block];
    }
  }

  const NormGradients& wanted_;
  NormStatistics statistics_;
  const GroupSum* group_;
  T* to_;
  NormGradient<T> gradient_;
  const double* mean_;
  const double* rstd_;
};

}  // namespace

void normalize_backward(const NormGradients& wanted, const ResultGradient& from, const Blocked& x,
                        const Normalization& how, NormStatistics statistics, const Tensor& mean, const Tensor& rstd,
                        const GroupSum* group) {
  if (x.blocks.elements() == 0) {
    return;
  }
  dispatch_floating(x.elements.scalar_type(), "normalize_backward", [&](auto zero) {
    Gradient<decltype(zero)>(wanted, from, x, how, statistics, mean, rstd, group).run();
  });
}

}  // namespace backflow::kernels
