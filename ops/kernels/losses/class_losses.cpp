#include <backflow/ops/kernels/losses/class_losses.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

#include <backflow/ops/kernels/activations/softmax_loops.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr double kPosition = 3;  // ns of a position of which one score is read
constexpr double kRow = 25;      // of one of which all are read, and
constexpr double kScore = 0.4;   // of each of these

constexpr double kZero = 0.07;  // of an element that is set to 0

/// ns of a position of which all scores are read.
double of_row(const ClassTargets& at) { return kRow + kScore * static_cast<double>(at.classes); }

/// Adds up what each(i, c, sums) adds for every position, of which `scores` are read in `nanoseconds`. The sum is cut
/// by the shape alone, into parts that are worth a thread; which of them a thread takes is free.
template <class F>
ClassSums sum_over_positions(const ClassTargets& at, std::int64_t scores, double nanoseconds, const F& each) {
  constexpr std::int64_t kWork = 4096;
  const std::int64_t count = std::max<std::int64_t>(1, kWork / std::max<std::int64_t>(scores, 1));
  const std::int64_t positions = at.positions();
  const auto run = [&](std::int64_t begin) {
    ClassSums sums;
    for (std::int64_t i = begin; i < std::min(positions, begin + count); ++i) {
      const std::int64_t c = at.target[i];
      if (at.is_class(c) && c != at.ignored) {
        each(i, c, sums);
      } else if (c == at.ignored) {
        each(i, std::int64_t{-1}, sums);
      } else if (sums.bad < 0) {
        sums.bad = i;
      }
    }
    return sums;
  };
  if (positions <= count) {
    return run(0);
  }
  std::vector<ClassSums> parts(static_cast<std::size_t>(chunks_of(positions, count)));
  parallel_ranges(static_cast<std::int64_t>(parts.size()), nanoseconds * static_cast<double>(positions),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) {
                      parts[static_cast<std::size_t>(i)] = run(i * count);
                    }
                  });
  ClassSums all;
  for (const ClassSums& part : parts) {
    all.loss += part.loss;
    all.weight += part.weight;
    all.bad = all.bad < 0 ? part.bad : all.bad;
  }
  return all;
}

/// Calls each(i, c) for every position whose class is one, or is ignored: then c is -1. Before it calls prepare(begin,
/// end) for the positions that a thread takes. Returns the first position with another class, else -1. A position takes
/// `nanoseconds`. Nothing is summed: the cut is free.
template <class Prepare, class F>
std::int64_t for_each_position(const ClassTargets& at, double nanoseconds, const Prepare& prepare, const F& each) {
  const std::int64_t positions = at.positions();
  std::atomic<std::int64_t> bad = positions;
  parallel_ranges(positions, nanoseconds * static_cast<double>(positions), [&](std::int64_t begin, std::int64_t end) {
    prepare(begin, end);
    const ClassTargets own = at;  // which nothing that `each` writes can change
    std::int64_t first = positions;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t c = own.target[i];
      if (c == own.ignored) {
        each(i, std::int64_t{-1});
      } else if (own.is_class(c)) {
        each(i, c);
      } else {
        first = std::min(first, i);
      }
    }
    for (std::int64_t known = bad; first < known && !bad.compare_exchange_weak(known, first);) {
    }
  });
  return bad == positions ? -1 : bad.load();
}

/// One number for each index, or the same for all.
template <class T>
class Numbers {
 public:
  explicit Numbers(const Tensor& x)
      : data_(x.defined() ? x.const_data_ptr<T>() : &one_), step_(x.defined() && x.dim() > 0 ? 1 : 0) {}
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;
  T operator[](std::int64_t i) const { return data_[i * step_]; }

 private:
  T one_ = 1;
  const T* data_;
  std::int64_t step_;
};

/// The offset of class c of a position.
std::int64_t offset(const ClassTargets& at, std::int64_t position, std::int64_t c) {
  return at.inner == 1 ? position * at.classes + c
                       : (position / at.inner * at.classes + c) * at.inner + position % at.inner;
}

template <class T>
void put(T* losses, std::int64_t i, double loss) {
  if (losses != nullptr) {
    losses[i] = static_cast<T>(loss);
  }
}

/// w loss, where 0 times infinity is 0.
template <class T>
T weighted(T w, T loss) {
  return w == 0 && std::isinf(loss) ? T{0} : w * loss;
}

template <class T>
T* elements_of(const Tensor& x) {
  return x.defined() ? x.mutable_data_ptr<T>() : nullptr;
}

}  // namespace

ClassSums nll(const ClassTargets& at, const Tensor& losses, const Tensor& x, const Tensor& weight) {
  return dispatch_floating(x.scalar_type(), "nll_loss", [&](auto zero) {
    using T = decltype(zero);
    const Numbers<T> weights(weight);
    const T* const from = x.const_data_ptr<T>();
    T* const to = elements_of<T>(losses);
    return sum_over_positions(at, 1, kPosition, [&](std::int64_t i, std::int64_t c, ClassSums& sums) {
      const T w = c < 0 ? T{0} : weights[c];
      const T loss = c < 0 ? T{0} : weighted(w, -from[offset(at, i, c)]);
      put(to, i, loss);
      sums.loss += loss;
      sums.weight += w;
    });
  });
}

ClassSums sum_weights(const ClassTargets& at, const Tensor& weight) {
  return dispatch_floating(weight.defined() ? weight.scalar_type() : kFloat32, "nll_loss", [&](auto zero) {
    const Numbers<decltype(zero)> weights(weight);
    return sum_over_positions(at, 1, kPosition, [&](std::int64_t, std::int64_t c, ClassSums& sums) {
      sums.weight += c < 0 ? 0 : weights[c];
    });
  });
}

std::int64_t nll_backward(const ClassTargets& at, const Tensor& dx, const Tensor& dy, const Tensor& weight,
                          double divisor) {
  const bool by_rows = at.inner == 1;
  if (!by_rows) {
    fill(dx, 0);
  }
  return dispatch_floating(dx.scalar_type(), "nll_loss_backward", [&](auto zero) {
    using T = decltype(zero);
    const Numbers<T> weights(weight);
    const Numbers<T> g(dy);
    T* const to = dx.mutable_data_ptr<T>();
    const auto clear = [&](std::int64_t begin, std::int64_t end) {
      if (by_rows) {
        std::memset(to + begin * at.classes, 0, static_cast<std::size_t>((end - begin) * at.classes) * sizeof(T));
      }
    };
    const auto each = [&](std::int64_t i, std::int64_t c) {
      if (c >= 0) {
        to[offset(at, i, c)] = -g[i] * weights[c] / static_cast<T>(divisor);
      }
    };
    return for_each_position(at, kPosition + (by_rows ? kZero * static_cast<double>(at.classes) : 0), clear, each);
  });
}

ClassSums cross_entropy(const ClassTargets& at, const Tensor& losses, const Tensor& statistics, const Tensor& x,
                        const Tensor& weight, double smoothing) {
  return dispatch_floating(x.scalar_type(), "cross_entropy_loss", [&](auto zero) {
    using T = decltype(zero);
    const SoftmaxLoops<T>& loops = softmax_loops<T>(Softmax::Log);
    const Numbers<T> weights(weight);
    const T* const from = x.const_data_ptr<T>();
    T* const to = elements_of<T>(losses);
    T* const kept = statistics.mutable_data_ptr<T>();
    return sum_over_positions(at, at.classes, of_row(at), [&](std::int64_t i, std::int64_t c, ClassSums& sums) {
      if (c < 0) {
        put(to, i, 0);
        kept[2 * i] = kept[2 * i + 1] = 0;
        return;
      }
      const T* const row = from + i * at.classes;
      const RowStatistics<T> of_row = loops.statistics(row, static_cast<std::size_t>(at.classes));
      kept[2 * i] = of_row.largest;
      kept[2 * i + 1] = of_row.log_sum;
      const T below = row[c] == of_row.largest ? T{0} : row[c] - of_row.largest;  // 0 where both are infinite
      T loss = of_row.log_sum - below;
      if (smoothing != 0) {
        const T beyond = loops.sum_beyond(row, of_row.largest, static_cast<std::size_t>(at.classes));
        const T mean = of_row.log_sum - beyond / static_cast<T>(at.classes);
        loss = weighted(static_cast<T>(1 - smoothing), loss) + static_cast<T>(smoothing) * mean;
      }
      loss = weighted(weights[c], loss);
      put(to, i, loss);
      sums.loss += loss;
      sums.weight += weights[c];
    });
  });
}

std::int64_t cross_entropy_backward(const ClassTargets& at, const Tensor& dx, const Tensor& dy, const Tensor& x,
                                    const Tensor& statistics, const Tensor& weight, double smoothing, double divisor) {
  return dispatch_floating(x.scalar_type(), "cross_entropy_loss", [&](auto zero) {
    using T = decltype(zero);
    const SoftmaxLoops<T>& loops = softmax_loops<T>(Softmax::Log);
    const Numbers<T> weights(weight);
    const Numbers<T> g(dy);
    const T* const from = x.const_data_ptr<T>();
    const T* const kept = statistics.const_data_ptr<T>();
    T* const to = dx.mutable_data_ptr<T>();
    const auto n = static_cast<std::size_t>(at.classes);
    const auto each = [&](std::int64_t i, std::int64_t c) {
      T* const row = to + i * at.classes;
      if (c < 0 || weights[c] == 0) {
        std::fill_n(row, n, T{0});
        return;
      }
      const T scale = g[i] * weights[c] / static_cast<T>(divisor);
      const T shift = scale * static_cast<T>(smoothing / static_cast<double>(at.classes));
      loops.scaled_row(from + i * at.classes, {kept[2 * i], kept[2 * i + 1]}, scale, shift, row, n);
      row[c] -= scale * static_cast<T>(1 - smoothing);
    };
    return for_each_position(
        at, of_row(at), [](std::int64_t, std::int64_t) {}, each);
  });
}

}  // namespace backflow::kernels
