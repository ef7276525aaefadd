#pragma once

#include <cstdint>

namespace backflow::distributed {

// Products of a matrix m, [rows, cols], with factors of few rows: p, [rank, rows], and q, [rank, cols]. All row-major.
// On one thread, in a fixed order of operations.

/// p = q m^T: p[k][i] = sum over j of q[k][j] m[i][j].
template <class T>
void multiply_rows(const T* m, std::int64_t rows, std::int64_t cols, const T* q, std::int64_t rank, T* p);
/// q = p m: q[k][j] = sum over i of p[k][i] m[i][j].
template <class T>
void multiply_cols(const T* m, std::int64_t rows, std::int64_t cols, const T* p, std::int64_t rank, T* q);
/// m = p^T q.
template <class T>
void assign_product(T* m, std::int64_t rows, std::int64_t cols, const T* p, const T* q, std::int64_t rank);
/// rest = m - p^T q.
template <class T>
void subtract_product(T* rest, const T* m, std::int64_t rows, std::int64_t cols, const T* p, const T* q,
                      std::int64_t rank);
/// Makes the rows of p orthogonal to each other and of length 1, in float64; those that depend on the ones before them
/// become zero.
template <class T>
void orthogonalize(T* p, std::int64_t rank, std::int64_t rows);

}  // namespace backflow::distributed
