#include <backflow/ops/kernels/losses/class_losses.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <backflow/ops/kernels/activations/softmax_loops.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/long_rows.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr double kPosition = 3;  // ns of a position of which one score is read
constexpr double kRow = 25;      // of one of which all are read, and
constexpr double kScore = 0.4;   // of each of these

constexpr double kZero = 0.07;  // of an element that is set to 0

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

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

enum class Writes { Rows, Classes };

/// Positions as they are shared out: where these are few, in parts of their scores.
struct PositionParts {
  std::int64_t classes;
  std::int64_t parts = 1;  ///< of a position

  static constexpr std::int64_t kStep = 512;  // scores that threads do not share
  /// Of part number i of all.
  std::int64_t position(std::int64_t i) const { return parts == 1 ? i : i / parts; }  // divisions take a row's time
  std::int64_t first(std::int64_t i) const { return parts == 1 ? 0 : begin_of_piece(i % parts, parts, classes, kStep); }
  std::int64_t end(std::int64_t i) const {
    return parts == 1 ? classes : begin_of_piece(i % parts + 1, parts, classes, kStep);
  }
  std::int64_t offset(std::int64_t i) const { return position(i) * classes + first(i); }
};

/// Calls each(i, c, begin, end) for every position whose class is one, or is ignored: then c is -1. It writes scores
/// [begin, end). Before it calls prepare(begin, end) for the scores of all positions that a thread takes. `writes`:
/// how many scores of a position are written, all of them or those at the class. Returns the first position with
/// another class, else -1. A position takes `nanoseconds`. Nothing is summed: the cut is free.
template <class Prepare, class F>
std::int64_t for_each_position(const ClassTargets& at, double nanoseconds, Writes writes, const Prepare& prepare,
                               const F& each) {
  const std::int64_t positions = at.positions();
  const double time = nanoseconds * static_cast<double>(positions);
  PositionParts shared{at.classes};
  if (writes == Writes::Rows && positions > 0) {
    const std::int64_t most = chunks_of(at.classes, PositionParts::kStep);
    shared.parts = std::clamp<std::int64_t>(chunks_of(free_pieces(positions * most, time), positions), 1, most);
  }
  std::atomic<std::int64_t> bad = positions;
  parallel_ranges(positions * shared.parts, time, [&](std::int64_t begin, std::int64_t end) {
    prepare(shared.offset(begin), shared.offset(end));
    const ClassTargets own = at;  // which nothing that `each` writes can change
    std::int64_t first = positions;
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t i = shared.position(k);
      const std::int64_t c = own.target[i];
      if (c == own.ignored) {
        each(i, std::int64_t{-1}, shared.first(k), shared.end(k));
      } else if (own.is_class(c)) {
        each(i, c, shared.first(k), shared.end(k));
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

/// The statistics of long rows, two numbers each, which several threads share. Returns the sums of x[i] - largest, if
/// they are wanted.
template <class T>
std::vector<T> long_statistics(const ClassTargets& at, const T* x, T* kept, bool wants_beyond) {
  const SoftmaxLoops<T>& loops = softmax_loops<T>(Softmax::Log);
  const detail::LongRows all{at.positions(), at.classes, kSoftmaxPiece};
  const auto pieces = static_cast<std::size_t>(all.pieces());
  std::vector<PieceStatistics<T>> found(static_cast<std::size_t>(all.rows) * pieces);
  std::vector<T> beyond(wants_beyond ? found.size() : 0);
  std::vector<T> results(wants_beyond ? static_cast<std::size_t>(all.rows) : 0);
  const auto counts = [&](std::int64_t i) { return at.target[i] != at.ignored && at.is_class(at.target[i]); };
  const auto piece = [&](std::int64_t i, std::int64_t p) {
    if (counts(i)) {
      const std::size_t k = static_cast<std::size_t>(i) * pieces + static_cast<std::size_t>(p);
      const T* const from = x + i * all.n + all.begin(p);
      const auto n = static_cast<std::size_t>(all.size(p));
      found[k] = loops.piece(from, nullptr, n);
      if (wants_beyond) {
        beyond[k] = std::isfinite(found[k].largest) ? loops.sum_beyond(from, found[k].largest, n) : -kInfinity<T>;
      }
    }
  };
  const auto of_row = [&](std::int64_t i) {
    if (!counts(i)) {
      return;
    }
    PieceStatistics<T>* const own = &found[static_cast<std::size_t>(i) * pieces];
    const LongRowStatistics<T> joined = join(own, pieces);
    const auto n = static_cast<std::size_t>(all.n);
    const RowStatistics<T> row = joined.is_ordinary()
                                     ? RowStatistics<T>{joined.largest, static_cast<T>(std::log(joined.sum))}
                                     : loops.statistics(x + i * all.n, n);
    kept[2 * i] = row.largest;
    kept[2 * i + 1] = row.log_sum;
    if (!wants_beyond) {
      return;
    }
    double sum = 0;
    for (std::size_t p = 0; p < pieces; ++p) {
      const double size = static_cast<double>(all.size(static_cast<std::int64_t>(p)));
      const double rest = std::isfinite(own[p].largest) ? static_cast<double>(own[p].largest - row.largest) * size : 0;
      sum += static_cast<double>(beyond[static_cast<std::size_t>(i) * pieces + p]) + rest;
    }
    results[static_cast<std::size_t>(i)] =
        joined.is_ordinary() ? static_cast<T>(sum) : loops.sum_beyond(x + i * all.n, row.largest, n);
  };
  all.reduce(kScore * static_cast<double>(all.rows * all.n), piece, of_row);
  return results;
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
        std::memset(to + begin, 0, static_cast<std::size_t>(end - begin) * sizeof(T));
      }
    };
    const auto each = [&](std::int64_t i, std::int64_t c, std::int64_t begin, std::int64_t end) {
      if (c >= begin && c < end) {
        to[offset(at, i, c)] = -g[i] * weights[c] / static_cast<T>(divisor);
      }
    };
    const double nanoseconds = kPosition + (by_rows ? kZero * static_cast<double>(at.classes) : 0);
    return for_each_position(at, nanoseconds, by_rows ? Writes::Rows : Writes::Classes, clear, each);
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
    const bool is_long = at.classes > kSoftmaxPiece;
    std::vector<T> beyond_long;
    if (is_long) {
      beyond_long = long_statistics(at, from, kept, smoothing != 0);
    }
    const double time = is_long ? kPosition : of_row(at);
    return sum_over_positions(at, at.classes, time, [&](std::int64_t i, std::int64_t c, ClassSums& sums) {
      if (c < 0) {
        put(to, i, 0);
        kept[2 * i] = kept[2 * i + 1] = 0;
        return;
      }
      const T* const row = from + i * at.classes;
      const auto n = static_cast<std::size_t>(at.classes);
      const RowStatistics<T> own = is_long ? RowStatistics<T>{kept[2 * i], kept[2 * i + 1]} : loops.statistics(row, n);
      kept[2 * i] = own.largest;
      kept[2 * i + 1] = own.log_sum;
      const T below = row[c] == own.largest ? T{0} : row[c] - own.largest;  // 0 where both are infinite
      T loss = own.log_sum - below;
      if (smoothing != 0) {
        const T beyond = is_long ? beyond_long[static_cast<std::size_t>(i)] : loops.sum_beyond(row, own.largest, n);
        const T mean = own.log_sum - beyond / static_cast<T>(at.classes);
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
    const auto each = [&](std::int64_t i, std::int64_t c, std::int64_t begin, std::int64_t end) {
      const auto n = static_cast<std::size_t>(end - begin);
      T* const row = to + i * at.classes;
      if (c < 0 || weights[c] == 0) {
        std::fill_n(row + begin, n, T{0});
        return;
      }
      const T scale = g[i] * weights[c] / static_cast<T>(divisor);
      const T shift = scale * static_cast<T>(smoothing / static_cast<double>(at.classes));
      loops.scaled_row(from + i * at.classes + begin, {kept[2 * i], kept[2 * i + 1]}, scale, shift, row + begin, n);
      if (c >= begin && c < end) {
        row[c] -= scale * static_cast<T>(1 - smoothing);
      }
    };
    return for_each_position(
        at, of_row(at), Writes::Rows, [](std::int64_t, std::int64_t) {}, each);
  });
}

}  // namespace backflow::kernels
