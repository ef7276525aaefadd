#include <algorithm>
#include <cmath>
#include <vector>

#include <backflow/distributed/buckets/low_rank_internal.h>

namespace backflow::distributed {
namespace {

/// In so many sums side by side, which the compiler keeps in vectors.
template <class T>
T dot(const T* a, const T* b, std::int64_t n) {
  constexpr std::int64_t kSums = 16;
  T sums[kSums] = {};
  std::int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (std::int64_t s = 0; s < kSums; ++s) {
      sums[s] += a[i + s] * b[i + s];
    }
  }
  for (std::int64_t s = 0; i < n; ++i, ++s) {
    sums[s] += a[i] * b[i];
  }
  for (std::int64_t half = kSums / 2; half > 0; half /= 2) {
    for (std::int64_t s = 0; s < half; ++s) {
      sums[s] += sums[s + half];
    }
  }
  return sums[0];
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return dot(a.data(), b.data(), static_cast<std::int64_t>(a.size()));
}

template <class T>
void add_scaled(T* y, T factor, const T* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] += factor * x[i];
  }
}

}  // namespace

template <class T>
void multiply_rows(const T* m, std::int64_t rows, std::int64_t cols, const T* q, std::int64_t rank, T* p) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < rank; ++k) {
      p[k * rows + i] = dot(m + i * cols, q + k * cols, cols);
    }
  }
}

template <class T>
void multiply_cols(const T* m, std::int64_t rows, std::int64_t cols, const T* p, std::int64_t rank, T* q) {
  std::fill_n(q, rank * cols, T{0});
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < rank; ++k) {
      add_scaled(q + k * cols, p[k * rows + i], m + i * cols, cols);
    }
  }
}

template <class T>
void assign_product(T* m, std::int64_t rows, std::int64_t cols, const T* p, const T* q, std::int64_t rank) {
  std::fill_n(m, rows * cols, T{0});
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < rank; ++k) {
      add_scaled(m + i * cols, p[k * rows + i], q + k * cols, cols);
    }
  }
}

template <class T>
void subtract_product(T* rest, const T* m, std::int64_t rows, std::int64_t cols, const T* p, const T* q,
                      std::int64_t rank) {
  std::copy_n(m, rows * cols, rest);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < rank; ++k) {
      add_scaled(rest + i * cols, -p[k * rows + i], q + k * cols, cols);
    }
  }
}

template <class T>
void orthogonalize(T* p, std::int64_t rank, std::int64_t rows) {
  // What is left of a row that depends on others is rounding errors of it.
  constexpr double kDependent = 1e-6;
  std::vector<std::vector<double>> done;
  for (std::int64_t k = 0; k < rank; ++k) {
    std::vector<double> row(p + k * rows, p + (k + 1) * rows);
    const double length = std::sqrt(dot(row, row));
    for (int pass = 0; pass < 2; ++pass) {  // twice is enough (Giraud et al., 2005)
      for (const std::vector<double>& other : done) {
        add_scaled(row.data(), -dot(row, other), other.data(), rows);
      }
    }
    const double left = std::sqrt(dot(row, row));
    const double factor = left <= kDependent * length ? 0 : 1 / left;  // a NaN stays one
    std::transform(row.begin(), row.end(), row.begin(), [&](double x) { return x * factor; });
    std::transform(row.begin(), row.end(), p + k * rows, [](double x) { return static_cast<T>(x); });
    done.push_back(std::move(row));
  }
}

template void multiply_rows(const float*, std::int64_t, std::int64_t, const float*, std::int64_t, float*);
template void multiply_rows(const double*, std::int64_t, std::int64_t, const double*, std::int64_t, double*);
template void multiply_cols(const float*, std::int64_t, std::int64_t, const float*, std::int64_t, float*);
template void multiply_cols(const double*, std::int64_t, std::int64_t, const double*, std::int64_t, double*);
template void assign_product(float*, std::int64_t, std::int64_t, const float*, const float*, std::int64_t);
template void assign_product(double*, std::int64_t, std::int64_t, const double*, const double*, std::int64_t);
template void subtract_product(float*, const float*, std::int64_t, std::int64_t, const float*, const float*,
                               std::int64_t);
template void subtract_product(double*, const double*, std::int64_t, std::int64_t, const double*, const double*,
                               std::int64_t);
template void orthogonalize(float*, std::int64_t, std::int64_t);
template void orthogonalize(double*, std::int64_t, std::int64_t);

}  // namespace backflow::distributed
