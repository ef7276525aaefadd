#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <backflow/ops/kernels/activations/softmax.h>

namespace backflow::kernels {

/// What the logarithm of the softmax of a row is computed from: log y[i] = x[i] - largest - log_sum. NaN where softmax
/// is.
template <class T>
struct RowStatistics {
  T largest;
  T log_sum;  ///< the logarithm of the sum of e^(x[i] - largest)
};

/// Elements of a piece of a long row.
inline constexpr std::int64_t kSoftmaxPiece = 4096;

/// What is found out about a piece of a long row.
template <class T>
struct PieceStatistics {
  T largest;  ///< NaN where there is one
  T sum;      ///< of e^(x[i] - largest) where the largest is finite, else 0
};

/// The same about a row, from its pieces: the sum is that of e^(x[i] - largest).
template <class T>
struct LongRowStatistics {
  T largest;
  double sum;
  /// Whether softmax is given by these numbers; else the loops of whole rows know its limit, or that there is none.
  bool is_ordinary() const { return std::isfinite(largest); }
};
/// In the order of the pieces, whose sums become e^(their largest - that of the row).
template <class T>
LongRowStatistics<T> join(PieceStatistics<T>* pieces, std::size_t count) {
  LongRowStatistics<T> all{pieces[0].largest, 0};
  for (std::size_t p = 1; p < count; ++p) {
    all.largest = pieces[p].largest <= all.largest || std::isnan(all.largest) ? all.largest : pieces[p].largest;
  }
  for (std::size_t p = 0; p < count && all.is_ordinary(); ++p) {
    const double factor = std::exp(static_cast<double>(pieces[p].largest - all.largest));
    all.sum += static_cast<double>(pieces[p].sum) * factor;
    pieces[p].sum = static_cast<T>(factor);
  }
  return all;
}

/// Softmax of contiguous rows, and of the columns of a block whose rows are `ld` apart. `scratch` has 2 columns
/// elements.
template <class T>
struct SoftmaxLoops {
  void (*row)(const T* x, T* y, std::size_t n);
  /// Of a piece of a row; y becomes e^(x - largest), or 0 where `sum` is 0, for Softmax::Plain.
  PieceStatistics<T> (*piece)(const T* x, T* y, std::size_t n);
  /// Then y = y number for Softmax::Plain, else (x - largest) - number.
  void (*finish_piece)(const T* x, T* y, std::size_t n, T largest, T number);
  RowStatistics<T> (*statistics)(const T* x, std::size_t n);
  /// The sum of x[i] - from.
  T (*sum_beyond)(const T* x, T from, std::size_t n);
  /// dx = scale softmax(x) - shift.
  void (*scaled_row)(const T* x, const RowStatistics<T>& of_x, T scale, T shift, T* dx, std::size_t n);
  void (*row_backward)(const T* dy, const T* y, T* dx, std::size_t n);
  /// The sum of dy y, or of dy for Softmax::Log, and the gradient from such a sum of the whole row.
  T (*sum_backward)(const T* dy, const T* y, std::size_t n);
  void (*piece_backward)(const T* dy, const T* y, T* dx, std::size_t n, T sum);
  void (*columns)(const T* x, T* y, std::size_t rows, std::size_t ld, std::size_t columns, T* scratch);
  void (*columns_backward)(const T* dy, const T* y, T* dx, std::size_t rows, std::size_t ld, std::size_t columns,
                           T* scratch);
};

/// The loops for T = float or double, for the best instruction set of the machine that runs.
template <class T>
const SoftmaxLoops<T>& softmax_loops(Softmax kind);

}  // namespace backflow::kernels
