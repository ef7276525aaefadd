#include <backflow/ops/kernels/products/gemm.h>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/runtime/tensor/checked_number.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kLongDot = 64 * 1024;   // terms from which on a product of two vectors is cut
constexpr std::int64_t kDotChunk = 16 * 1024;  // terms of one piece of it: some 5 us
constexpr double kFlopPerNanosecond = 100;     // of float32
constexpr double kBytesPerNanosecond = 12;     // of products that do little with each number
constexpr double kStartNanoseconds = 40;       // what it takes to start on a matrix
constexpr std::int64_t kVectorStep = 64;       // elements; gemm_vector's tails are in the last piece alone
constexpr std::int64_t kFewColumns = 16;
constexpr std::int64_t kSmallProduct = 32 * 32 * 32;  // multiply-adds

/// Elements of `x` in `dtype`, row-major except that batch dimensions with stride 0 keep it.
Tensor dense_copy(const Tensor& x, ScalarType dtype) {
  DimVector sizes(x.sizes());
  for (std::size_t d = 0; d + 2 < sizes.size(); ++d) {
    sizes[d] = x.strides()[d] == 0 ? std::min<std::int64_t>(sizes[d], 1) : sizes[d];
  }
  const Tensor copied = empty_tensor(sizes, dtype);
  copy(copied, view_of(x, sizes, x.strides(), x.storage_offset()));
  DimVector strides(copied.strides());
  for (std::size_t d = 0; d + 2 < sizes.size(); ++d) {
    strides[d] = x.strides()[d] == 0 ? 0 : strides[d];
  }
  return view_of(copied, x.sizes(), strides, 0);
}

/// A batch of matrices: the first, and how to get to the others.
template <class T>
class Batch {
 public:
  /// `x` is copied when neither of a matrix's dimensions is contiguous.
  explicit Batch(const Tensor& x) : x_(x) {
    const std::size_t rank = x.sizes().size();
    const std::int64_t rows = x.sizes()[rank - 2];
    const std::int64_t columns = x.sizes()[rank - 1];
    const auto fits = [](std::int64_t stride, std::int64_t length, std::int64_t step, std::int64_t inner) {
      return (step == 1 || inner == 1) && (stride >= inner || length == 1);
    };
    std::int64_t row_step = x.strides()[rank - 2];
    std::int64_t column_step = x.strides()[rank - 1];
    const bool by_columns = fits(column_step, columns, row_step, rows);
    const bool by_rows = fits(row_step, rows, column_step, columns);
    if (!by_rows && !by_columns) {
      x_ = dense_copy(x, x.scalar_type());
      row_step = columns;
    }
    const bool transposed = by_columns && !by_rows;
    const std::int64_t ld =
        transposed ? std::max<std::int64_t>({column_step, rows, 1}) : std::max<std::int64_t>({row_step, columns, 1});
    first_ = {x_.template const_data_ptr<T>(), ld, transposed};
  }
  Matrix<T> operator[](std::int64_t index) const {
    Matrix<T> result = first_;
    for (std::size_t d = x_.sizes().size() - 2; d-- > 0;) {
      result.data += index % x_.sizes()[d] * x_.strides()[d];
      index /= x_.sizes()[d];
    }
    return result;
  }

 private:
  Tensor x_;
  Matrix<T> first_;
};

/// By what a product and all its pieces are computed.
enum class Method : std::uint8_t { kTiles, kRowVector, kColumnVector, kFewRows };

/// Up to 3 rows by contiguous columns are dot products. Tiles would leave most lanes empty: 3 times as slow, which
/// small products do not notice.
template <class T>
Method method_of(const Product<T>& p) {
  if (p.n == 1) {
    return Method::kColumnVector;
  }
  if (p.m == 1) {
    return Method::kRowVector;
  }
  const bool are_dots = p.m <= 3 && p.b.transposed && !p.a.transposed && p.m * p.n * p.k > kSmallProduct;
  return are_dots ? Method::kFewRows : Method::kTiles;
}

/// A few columns at a time, which stay in the cache while all rows pass by.
template <class T>
void multiply_few_rows(const Product<T>& p) {
  for (std::int64_t j = 0; j < p.n; j += kFewColumns) {
    for (std::int64_t i = 0; i < p.m; ++i) {
      Product<T> row = p;
      row.m = 1;
      row.n = std::min(kFewColumns, p.n - j);
      row.a = p.a.from(i, 0);
      row.b = p.b.from(0, j);
      row.c = p.c + i * p.ldc + j;
      gemm_vector(row, VectorSide::Left);
    }
  }
}

template <class T>
void multiply(const Product<T>& p, Method method) {
  if constexpr (std::is_integral_v<T>) {
    gemm_integers(p);
  } else {
    switch (method) {
      case Method::kTiles:
        return gemm_blocks(p);
      case Method::kRowVector:
        return gemm_vector(p, VectorSide::Left);
      case Method::kColumnVector:
        return gemm_vector(p, VectorSide::Right);
      case Method::kFewRows:
        return multiply_few_rows(p);
    }
  }
}

/// The product of two long vectors: sums of pieces, added in their order.
template <class T>
void long_dot(const Product<T>& p) {
  std::vector<T> sums(static_cast<std::size_t>((p.k + kDotChunk - 1) / kDotChunk));
  parallel_for(static_cast<std::int64_t>(sums.size()), [&](std::int64_t chunk) {
    Product<T> part = p;
    part.k = std::min(kDotChunk, p.k - chunk * kDotChunk);
    part.a = p.a.from(0, chunk * kDotChunk);
    part.b = p.b.from(chunk * kDotChunk, 0);
    part.c = &sums[static_cast<std::size_t>(chunk)];
    part.accumulate = false;
    gemm_vector(part, VectorSide::Right);
  });
  T total = sums[0];
  for (std::size_t i = 1; i < sums.size(); ++i) {
    total += sums[i];
  }
  *p.c = p.accumulate ? *p.c + total : total;
}

/// How each product of a batch is cut: into so many ranges of rows and of columns, which begin at multiples of `step`.
struct Grid {
  TileSize step{1, 1};
  bool transposed_b = false;
  double start = 0;  // what a piece costs besides, see cost_of_piece
  std::int64_t rows = 1;
  std::int64_t columns = 1;
};

/// The time of a piece of so many rows and tiles of columns, in multiply-adds of a row of a tile, for each term: those
/// of the piece, what packing takes, and the start. Of a transposed b the smaller operand is packed (orient() in
/// gemm_loops.cpp), which each range that shares it does anew; other operands cost less.
double cost_of_piece(double rows, double columns, const Grid& grid) {
  const double width = static_cast<double>(grid.step.columns);
  const bool packs_rows = columns * width >= 2 * rows;
  const double packed = packs_rows ? rows / width : columns;
  // Tiles of few rows, then columns of the transpose, are bound by reading b.
  const double multiplied = grid.transposed_b && packs_rows ? std::max(rows, 16.0) : rows;
  return multiplied * columns + (grid.transposed_b ? 10 * packed : 2.5 * columns) + 0.1 * rows + grid.start;
}

/// The grid of at most `pieces` pieces that ends first: a thread computes its share of pieces, all alike, and waits for
/// a quarter of one.
template <class T>
Grid grid_of(const TileSize& step, const Product<T>& p, std::int64_t pieces) {
  const std::int64_t tiles_down = (p.m + step.rows - 1) / step.rows;
  const std::int64_t tiles_across = (p.n + step.columns - 1) / step.columns;
  const std::int64_t threads = target_threads();
  Grid best{.step = step, .transposed_b = p.b.transposed, .start = 400 / static_cast<double>(p.k)};
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t rows = 1; rows <= std::min(pieces, tiles_down); rows += (rows + 3) / 4) {
    const std::int64_t columns = std::min(pieces / rows, tiles_across);
    const std::int64_t rows_each = (tiles_down + rows - 1) / rows * step.rows;
    const std::int64_t columns_each = (tiles_across + columns - 1) / columns;
    const std::int64_t rounds = (rows * columns + threads - 1) / threads;
    const double time = (0.25 + static_cast<double>(rounds)) *
                        cost_of_piece(static_cast<double>(rows_each), static_cast<double>(columns_each), best);
    if (time < least) {
      least = time;
      best.rows = rows;
      best.columns = columns;
    }
  }
  return best;
}

/// Piece i of a product.
template <class T>
Product<T> piece_of(const Product<T>& p, const Grid& grid, std::int64_t i) {
  const std::int64_t row = begin_of_piece(i / grid.columns, grid.rows, p.m, grid.step.rows);
  const std::int64_t column = begin_of_piece(i % grid.columns, grid.columns, p.n, grid.step.columns);
  Product<T> part = p;
  part.m = begin_of_piece(i / grid.columns + 1, grid.rows, p.m, grid.step.rows) - row;
  part.n = begin_of_piece(i % grid.columns + 1, grid.columns, p.n, grid.step.columns) - column;
  part.a = p.a.from(row, 0);
  part.b = p.b.from(0, column);
  part.c = p.c + row * p.ldc + column;
  return part;
}

/// What one product takes on one thread.
template <class T>
double nanoseconds_of(const Cost& cost) {
  const double speed = std::is_integral_v<T> ? 0.02 : sizeof(T) == 4 ? 1 : 0.5;
  return kStartNanoseconds +
         std::max(cost.flop / (kFlopPerNanosecond * speed), static_cast<double>(cost.bytes) / kBytesPerNanosecond);
}

/// What c is before a product is added: element (i, j) is data[i * row + j * column]. None when data is null.
template <class T>
struct Start {
  const T* data = nullptr;
  std::int64_t row = 0;
  std::int64_t column = 0;
};

template <class T>
void put_start(const Start<T>& start, std::int64_t row, std::int64_t column, const Product<T>& p) {
  for (std::int64_t i = 0; i < p.m && start.data != nullptr; ++i) {
    const T* from = start.data + (row + i) * start.row + column * start.column;
    T* to = p.c + i * p.ldc;
    if (start.column == 1) {
      std::copy_n(from, p.n, to);
    } else {
      for (std::int64_t j = 0; j < p.n; ++j) {
        to[j] = from[j * start.column];
      }
    }
  }
}

/// Computes the products of a batch, product(i) for i < count, of one shape. No sum is cut, and an element's sum has
/// the same order in pieces of any size, so the cut is free. A `start` is of all of them.
template <class T, class F>
void multiply_all(std::int64_t count, const Start<T>& start, double nanoseconds, const F& product) {
  const Product<T> first = product(0);
  const Method method = method_of(first);
  TileSize step{kVectorStep, kVectorStep};
  if constexpr (!std::is_integral_v<T>) {
    step = method == Method::kTiles ? tile_size<T>() : step;
  }
  const std::int64_t tiles = ((first.m + step.rows - 1) / step.rows) * ((first.n + step.columns - 1) / step.columns);
  // With free_pieces(), branches of small products, which run side by side anyway, were 10% slower on 2 threads.
  const std::int64_t pieces = coarse_pieces(count * tiles, static_cast<double>(count) * nanoseconds);
  if (pieces <= count) {
    parallel_for(pieces, [&](std::int64_t piece) {
      const std::int64_t end = begin_of_piece(piece + 1, pieces, count);
      for (std::int64_t i = begin_of_piece(piece, pieces, count); i < end; ++i) {
        const Product<T> whole = product(i);
        put_start(start, 0, 0, whole);
        multiply(whole, method);
      }
    });
    return;
  }
  const Grid grid = grid_of(step, first, (pieces + count - 1) / count);
  const std::int64_t each = grid.rows * grid.columns;
  parallel_for(count * each, [&](std::int64_t i) {
    const Product<T> whole = product(i / each);
    const Product<T> part = piece_of(whole, grid, i % each);
    put_start(start, (part.c - whole.c) / whole.ldc, (part.c - whole.c) % whole.ldc, part);
    multiply(part, method);
  });
}

/// `input` as a start of y, if it can be read as such; else none.
template <class T>
Start<T> start_of(const Tensor& y, const Tensor& input, const Scalar& beta) {
  if (!input.defined() || beta.toDouble() != 1 || input.scalar_type() != y.scalar_type() || input.is_alias_of(y) ||
      input.sizes().size() > 2) {
    return {};
  }
  const auto stride = [&](std::size_t from_end) {
    const std::size_t rank = input.sizes().size();
    return rank < from_end || input.sizes()[rank - from_end] == 1 ? 0 : input.strides()[rank - from_end];
  };
  return {input.const_data_ptr<T>(), stride(2), stride(1)};
}

/// y = beta input, or nothing when there is none; says whether there is one.
bool start_with(const Tensor& y, const Tensor& input, const Scalar& beta) {
  if (!input.defined() || (beta.is_floating_point() ? beta.toDouble() == 0 : beta.toLong() == 0)) {
    return false;
  }
  const bool in_place = y.const_data_ptr() == input.const_data_ptr() && y.scalar_type() == input.scalar_type() &&
                        y.sizes() == input.sizes() && y.strides() == input.strides();
  if (!in_place) {
    copy(y, input);
  }
  const Scalar factor = y.is_floating_point() ? Scalar(beta.toDouble()) : Scalar(beta.toLong());
  if (factor.toDouble() != 1) {
    binary(functions::Mul{}, y, y, factor);
  }
  return true;
}

template <class T>
void products_of(const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& input, const Scalar& beta, T alpha) {
  const std::size_t rank = y.sizes().size();
  const std::int64_t m = y.sizes()[rank - 2];
  const std::int64_t n = y.sizes()[rank - 1];
  const std::int64_t k = a.sizes()[rank - 1];
  // A start is put by the pieces: one loop less, and what they add to is in the cache.
  const Start<T> start = k == 0 ? Start<T>() : start_of<T>(y, input, beta);
  const bool accumulate = start.data != nullptr || start_with(y, input, beta);
  if (k == 0) {
    if (!accumulate) {
      fill(y, 0);
    }
    return;
  }
  const Batch<T> left(a);
  const Batch<T> right(b);
  const std::int64_t count = y.numel() / (m * n);
  T* c = y.mutable_data_ptr<T>();
  const auto product = [&](std::int64_t i) {
    return Product<T>{m, n, k, left[i], right[i], c + i * m * n, n, alpha, accumulate};
  };
  if constexpr (!std::is_integral_v<T>) {
    if (count == 1 && m == 1 && n == 1 && k > kLongDot) {
      const Product<T> dot = product(0);
      put_start(start, 0, 0, dot);
      long_dot(dot);
      return;
    }
  }
  multiply_all<T>(count, start, nanoseconds_of<T>(gemm_cost(m, n, k, y.scalar_type())), product);
}

}  // namespace

void gemm_serial(const Product<float>& p) { multiply(p, method_of(p)); }
void gemm_serial(const Product<double>& p) { multiply(p, method_of(p)); }

Cost gemm_cost(std::int64_t m, std::int64_t n, std::int64_t k, ScalarType dtype) {
  const std::int64_t bytes = (m * k + k * n + m * n) * static_cast<std::int64_t>(element_size(dtype));
  return {2 * static_cast<float>(m) * static_cast<float>(n) * static_cast<float>(k), static_cast<float>(bytes), dtype};
}

void gemm(const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& input, const Scalar& beta,
          const Scalar& alpha) {
  if (y.numel() == 0) {
    return;
  }
  if (y.scalar_type() == kBFloat16) {
    const Tensor exact = empty_tensor_like(y, kFloat32);
    gemm(exact, dense_copy(a, kFloat32), dense_copy(b, kFloat32), input, beta, alpha);
    copy(y, exact);
    return;
  }
  dispatch_numeric(y.scalar_type(), "matmul", [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_same_v<T, BFloat16>) {
      products_of<T>(y, a, b, input, beta, backflow::detail::wrapped<T>(alpha));
    }
  });
}

}  // namespace backflow::kernels
