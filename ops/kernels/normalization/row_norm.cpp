#include <backflow/ops/kernels/normalization/row_norm.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/normalization/normalize_loops.h>
#include <backflow/ops/kernels/normalization/row_norm_loops.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kPiece = 8 * 1024;  // elements of a row over which sums are exact enough in its own dtype
constexpr double kElement = 0.25;          // ns of an element

/// Calls f(offset, size) for the pieces of a row.
template <class F>
void for_pieces(std::int64_t n, const F& f) {
  for (std::int64_t i = 0; i < n; i += kPiece) {
    f(i, std::min(kPiece, n - i));
  }
}

/// The mean of a row and of its squared deviations from the center.
template <class T>
void statistics(const T* row, std::int64_t n, Center center, double* mean, double* variance) {
  double total = 0;
  double squares = 0;  // of deviations from the first piece's mean, to which pieces add by Chan's formula
  double count = 0;
  for_pieces(n, [&](std::int64_t i, std::int64_t size) {
    double own = 0;
    double m2 = 0;
    T scratch[3];
    normalize_loops<T>().moments(row + i, {1, 0, static_cast<std::size_t>(size), 1}, &own, &m2, scratch);
    const auto added = static_cast<double>(size);
    const double delta = own - total;
    squares += m2 + delta * delta * count * added / (count + added);
    total += delta * added / (count + added);
    count += added;
  });
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
      parallel_ranges(rows_, time, [&](std::int64_t begin, std::int64_t end) { of_rows(begin, end, nullptr); });
      return;
    }
    // dw and db are sums over rows: of units, whose rows follow from shapes alone, and of all units. Which of them a
    // thread takes is free.
    const std::int64_t rows = rows_of_unit();
    const std::int64_t units = chunks_of(rows_, rows);
    const auto partial = std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(units * 2 * sets_ * n_));
    parallel_ranges(units, time, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        T* const sums = partial.get() + unit * 2 * sets_ * n_;
        std::fill_n(sums, 2 * sets_ * n_, T{0});
        of_rows(unit * rows, std::min(rows_, (unit + 1) * rows), sums);
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

  /// Adds the rows' share of dw and db to `sums`, if they are wanted.
  void of_rows(std::int64_t begin, std::int64_t end, T* sums) {
    for (std::int64_t row = begin; row < end; ++row) {
      if (dx_ != nullptr) {
        of_row(row);
      }
      if (sums != nullptr) {
        row_norm_loops<T>().parameters(dy_ + row * n_, x_ + row * n_, static_cast<std::size_t>(n_),
                                       static_cast<T>(mean_[row]), static_cast<T>(rstd_[row]), sums + set(row),
                                       sums + sets_ * n_ + set(row));
      }
    }
  }

  /// The first number of the set of a row.
  std::int64_t set(std::int64_t row) const { return row % sets_ * n_; }

  void of_row(std::int64_t row) {
    const T* const dy = dy_ + row * n_;
    const T* const x = x_ + row * n_;
    const T* const w = w_ == nullptr ? nullptr : w_ + set(row);
    const T m = static_cast<T>(mean_[row]);
    const double r = rstd_[row];
    double sum = 0;
    double product = 0;
    for_pieces(n_, [&](std::int64_t i, std::int64_t size) {
      T s;
      T p;
      row_norm_loops<T>().sums(dy + i, x + i, w == nullptr ? nullptr : w + i, static_cast<std::size_t>(size), m, &s,
                               &p);
      sum += static_cast<double>(s);
      product += static_cast<double>(p);
    });
    const auto count = static_cast<double>(n_);
    row_norm_loops<T>().gradient(dy, x, w, dx_ + row * n_, static_cast<std::size_t>(n_), m, static_cast<T>(r),
                                 static_cast<T>(-r * r * r * product / count),
                                 static_cast<T>(center_ == Center::Mean ? -r * sum / count : 0));
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
  static constexpr double kPartial = 0.1;    // ns of a number that is added
  static constexpr std::int64_t kStep = 64;  // numbers that threads do not share

  const RowNormGradients& wanted_;
  Center center_;
  std::int64_t sets_;
  std::int64_t rows_;
  std::int64_t n_;
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
    // Each row is one thread's: the cut is free.
    parallel_ranges(rows, kElement * static_cast<double>(x.numel()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        double variance = 0;
        statistics(from + row * n, n, how.center, &means[row], &variance);
        const double r = 1 / std::sqrt(variance + how.eps);
        rstds[row] = r;
        // The mean is rounded to T; the shift has what it lacks.
        const T m = static_cast<T>(means[row]);
        const T shift = static_cast<T>((static_cast<double>(m) - means[row]) * r);
        const std::int64_t set = row % how.sets * n;
        row_norm_loops<T>().apply(from + row * n, to + row * n, static_cast<std::size_t>(n), m, static_cast<T>(r),
                                  shift, w == nullptr ? nullptr : w + set, b == nullptr ? nullptr : b + set);
      }
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
