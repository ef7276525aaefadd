#include <backflow/ops/kernels/normalization/row_norm.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <backflow/ops/kernels/layout/long_rows.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/normalization/normalize_loops.h>
#include <backflow/ops/kernels/normalization/row_norm_loops.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kPiece = 8 * 1024;  // elements of a row over which sums are exact enough in its own dtype
constexpr double kElement = 0.25;          // ns of an element

/// Two sums of a piece of a row.
struct PieceSums {
  double first;
  double second;

  PieceSums& operator+=(const PieceSums& other) {
    first += other.first;
    second += other.second;
    return *this;
  }
};

/// The mean of a piece and the sum of its squared deviations from it.
template <class T>
PieceSums moments(const T* piece, std::int64_t n) {
  PieceSums sums{};
  T scratch[3];
  normalize_loops<T>().moments(piece, {1, 0, static_cast<std::size_t>(n), 1}, &sums.first, &sums.second, scratch);
  return sums;
}

/// The mean of a row and of its squared deviations from the center, from the moments of its pieces.
void join(const detail::LongRows& all, const PieceSums* moments, Center center, double* mean, double* variance) {
  double total = 0;
  double squares = 0;  // of deviations from the first piece's mean, to which pieces add by Chan's formula
  double count = 0;
  for (std::int64_t p = 0; p < all.pieces(); ++p) {
    const auto added = static_cast<double>(all.size(p));
    const double delta = moments[p].first - total;
    squares += moments[p].second + delta * delta * count * added / (count + added);
    total += delta * added / (count + added);
    count += added;
  }
  *mean = center == Center::Mean ? total : 0;
  *variance = squares / count + (center == Center::Mean ? 0 : total * total);
}

template <class T>
const T* numbers(const Tensor& x) {
  return x.defined() ? x.const_data_ptr<T>() : nullptr;
}

template <class T>
class Backward {
 public:
  Backward(const RowNormGradients& wanted, const Tensor& dy, const Tensor& x, const RowNorm& how, const Tensor& mean,
           const Tensor& rstd)
      : wanted_(wanted),
        center_(how.center),
        sets_(how.sets),
        rows_(mean.numel()),
        n_(x.numel() / rows_),
        all_{rows_, n_, kPiece},
        dy_(dy.const_data_ptr<T>()),
        x_(x.const_data_ptr<T>()),
        w_(numbers<T>(how.w)),
        dx_(wanted.dx.defined() ? wanted.dx.mutable_data_ptr<T>() : nullptr),
        mean_(mean.const_data_ptr<double>()),
        rstd_(rstd.const_data_ptr<double>()),
        sums_parameters_(wanted.dw.defined() || wanted.db.defined()) {}

  void run() {
    const double time = 2 * kElement * static_cast<double>(rows_ * n_);
    if (!sums_parameters_) {
      gradients(time);
      return;
    }
    // dw and db are sums over rows: of units, whose rows follow from shapes alone, and of all units. Which of them a
    // thread takes is free, and where they are fewer than threads which columns of them.
    const std::int64_t rows = rows_of_unit();
    const std::int64_t units = chunks_of(rows_, rows);
    const auto partial = std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(units * 2 * sets_ * n_));
    const bool takes_units = 2 * units >= free_pieces(units * chunks_of(n_, kColumns), time);
    if (!takes_units && dx_ != nullptr) {
      gradients(time);
    }
    const std::int64_t width = takes_units ? n_ : kColumns;
    const std::int64_t slices = chunks_of(n_, width);
    parallel_ranges(units * slices, time, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t unit = i / slices;
        const std::int64_t j = i % slices * width;
        T* const sums = partial.get() + unit * 2 * sets_ * n_;
        const std::int64_t first = unit * rows;
        of_columns(first, std::min(rows_, first + rows), j, std::min(width, n_ - j), takes_units, sums);
      }
    });
    add_up(partial.get(), units);
  }

 private:
  /// Few enough for the accuracy of their sums, whose type is T; enough that they take little time and memory:
  /// 1/32 of dy, at most 1/4 where rows are few.
  std::int64_t rows_of_unit() const {
    constexpr std::int64_t kUnits = 128;  // enough for many threads
    constexpr std::int64_t kElements = 4096;
    const std::int64_t least = std::clamp<std::int64_t>(kElements / (sets_ * n_), 8, 64);
    return sets_ * std::clamp<std::int64_t>(chunks_of(chunks_of(rows_, sets_), kUnits), least, 64);
  }

  /// The sums of columns [j, j + width) of dw and db over rows, and dx if it is wanted.
  void of_columns(std::int64_t begin, std::int64_t end, std::int64_t j, std::int64_t width, bool wants_dx, T* sums) {
    for (std::int64_t i = 0; i < 2 * sets_; ++i) {
      std::fill_n(sums + i * n_ + j, width, T{0});
    }
    for (std::int64_t row = begin; row < end; ++row) {
      if (wants_dx && dx_ != nullptr) {
        of_row(row);
      }
      T* const dw = sums + set(row) + j;
      row_norm_loops<T>().parameters(dy_ + row * n_ + j, x_ + row * n_ + j, static_cast<std::size_t>(width),
                                     static_cast<T>(mean_[row]), static_cast<T>(rstd_[row]), dw, dw + sets_ * n_);
    }
  }

  /// The first number of the set of a row.
  std::int64_t set(std::int64_t row) const { return row % sets_ * n_; }

  /// dx of all rows.
  void gradients(double nanoseconds) {
    if (all_.pieces() == 1) {
      parallel_ranges(rows_, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          of_row(row);
        }
      });
      return;
    }
    std::vector<PieceSums> sums(static_cast<std::size_t>(rows_ * all_.pieces()));
    const auto of = [&](std::int64_t row) { return sums.begin() + row * all_.pieces(); };
    all_.run(
        nanoseconds, [&](std::int64_t row, std::int64_t p) { of(row)[p] = sums_of(row, p); },
        [&](std::int64_t row) {
          PieceSums of_row{};
          for (std::int64_t p = 0; p < all_.pieces(); ++p) {
            of_row += of(row)[p];
          }
          *of(row) = of_row;
        },
        [&](std::int64_t row, std::int64_t p) { write(row, p, *of(row)); });
  }
  void of_row(std::int64_t row) {
    PieceSums all{};
    for (std::int64_t p = 0; p < all_.pieces(); ++p) {
      all += sums_of(row, p);
    }
    for (std::int64_t p = 0; p < all_.pieces(); ++p) {
      write(row, p, all);
    }
  }

  const T* weights(std::int64_t row, std::int64_t p) const {
    return w_ == nullptr ? nullptr : w_ + set(row) + all_.begin(p);
  }
  /// The sums of dy w and of dy w (x - m) of a piece of a row.
  PieceSums sums_of(std::int64_t row, std::int64_t p) const {
    const std::int64_t at = row * n_ + all_.begin(p);
    T s;
    T product;
    row_norm_loops<T>().sums(dy_ + at, x_ + at, weights(row, p), static_cast<std::size_t>(all_.size(p)),
                             static_cast<T>(mean_[row]), &s, &product);
    return {static_cast<double>(s), static_cast<double>(product)};
  }
  /// dx of a piece from the sums of its row.
  void write(std::int64_t row, std::int64_t p, const PieceSums& of_row) {
    const std::int64_t at = row * n_ + all_.begin(p);
    const double r = rstd_[row];
    const auto count = static_cast<double>(n_);
    row_norm_loops<T>().gradient(dy_ + at, x_ + at, weights(row, p), dx_ + at, static_cast<std::size_t>(all_.size(p)),
                                 static_cast<T>(mean_[row]), static_cast<T>(r),
                                 static_cast<T>(-r * r * r * of_row.second / count),
                                 static_cast<T>(center_ == Center::Mean ? -r * of_row.first / count : 0));
  }

  /// Adds up what the units have, in their order: dw and db side by side. These numbers are cut freely.
  void add_up(const T* partial, std::int64_t units) const {
    const std::int64_t size = sets_ * n_;
    const auto put = [&](const Tensor& to, std::int64_t from, std::int64_t begin, std::int64_t end) {
      if (to.defined() && begin < end) {
        row_norm_loops<T>().add_rows(partial + from + begin, static_cast<std::size_t>(units),
                                     static_cast<std::size_t>(2 * size), static_cast<std::size_t>(end - begin),
                                     to.mutable_data_ptr<double>() + begin);
      }
    };
    parallel_ranges(
        2 * size, kPartial * static_cast<double>(2 * size * units),
        [&](std::int64_t begin, std::int64_t end) {
          put(wanted_.dw, 0, begin, std::min(size, end));
          put(wanted_.db, size, std::max(size, begin) - size, end - size);
        },
        kStep);
  }
  static constexpr double kPartial = 0.1;         // ns of a number that is added
  static constexpr std::int64_t kStep = 64;       // numbers that threads do not share
  static constexpr std::int64_t kColumns = 1024;  // of a piece of a unit

  const RowNormGradients& wanted_;
  Center center_;
  std::int64_t sets_;
  std::int64_t rows_;
  std::int64_t n_;
  detail::LongRows all_;
  const T* dy_;
  const T* x_;
  const T* w_;
  T* dx_;
  const double* mean_;
  const double* rstd_;
  bool sums_parameters_;
};

}  // namespace

void row_norm(const Tensor& y, const Tensor& x, const RowNorm& how, const Tensor& mean, const Tensor& rstd) {
  const std::int64_t rows = mean.numel();
  if (x.numel() == 0) {
    return;
  }
  const std::int64_t n = x.numel() / rows;
  dispatch_floating(x.scalar_type(), "row_norm", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    const T* const w = numbers<T>(how.w);
    const T* const b = numbers<T>(how.b);
    auto* const means = mean.mutable_data_ptr<double>();
    auto* const rstds = rstd.mutable_data_ptr<double>();
    const detail::LongRows all{rows, n, kPiece};
    const std::int64_t pieces = all.pieces();
    std::vector<PieceSums> sums(static_cast<std::size_t>(pieces == 1 ? 0 : rows * pieces));
    const auto first = [&](std::int64_t row, std::int64_t p) {
      const PieceSums own = moments(from + row * n + all.begin(p), all.size(p));
      if (pieces > 1) {
        sums[static_cast<std::size_t>(row * pieces + p)] = own;
        return;
      }
      join(all, &own, how.center, &means[row], &rstds[row]);
    };
    const auto of_row = [&](std::int64_t row) {
      if (pieces > 1) {
        join(all, &sums[static_cast<std::size_t>(row * pieces)], how.center, &means[row], &rstds[row]);
      }
      rstds[row] = 1 / std::sqrt(rstds[row] + how.eps);  // of the variance
    };
    all.run(kElement * static_cast<double>(x.numel()), first, of_row, [&](std::int64_t row, std::int64_t p) {
      const std::int64_t i = all.begin(p);
      const double r = rstds[row];
      // The mean is rounded to T; the shift has what it lacks.
      const T m = static_cast<T>(means[row]);
      const T shift = static_cast<T>((static_cast<double>(m) - means[row]) * r);
      const std::int64_t set = row % how.sets * n + i;
      row_norm_loops<T>().apply(from + row * n + i, to + row * n + i, static_cast<std::size_t>(all.size(p)), m,
                                static_cast<T>(r), shift, w == nullptr ? nullptr : w + set,
                                b == nullptr ? nullptr : b + set);
    });
  });
}

void row_norm_backward(const RowNormGradients& wanted, const Tensor& dy, const Tensor& x, const RowNorm& how,
                       const Tensor& mean, const Tensor& rstd) {
  if (x.numel() == 0) {
    return;
  }
  dispatch_floating(x.scalar_type(), "row_norm_backward",
                    [&](auto zero) { Backward<decltype(zero)>(wanted, dy, x, how, mean, rstd).run(); });
}

}  // namespace backflow::kernels
