#include <backflow/ops/kernels/products/gemm.h>

#include <algorithm>
#include <cstddef>

#include <backflow/runtime/memory/memory.h>

// A product by register tiles on packed panels, after Goto and van de Geijn, Anatomy of high-performance matrix
// multiplication (2008). Operands are read as they lie where packing costs more than it saves.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/products/gemm_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: they are compiled for each instruction set too.
#include <backflow/ops/kernels/products/gemm_packing.h>
#include <backflow/ops/kernels/products/gemm_tile.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows of a at a time: packed they are some 768 KiB of float32, the scratch of a thread; 256 rows were 5% slower. They
// are whole tiles, because packing fills the last tile: 512 rows of tiles of 8, but 516 of tiles of 6.
constexpr std::int64_t kMaxRows = (512 + kRows - 1) / kRows * kRows;
// Columns of b from which on packing a pays: each element of a is then read at least so often.
constexpr std::int64_t kMinColumns = 512;
constexpr std::int64_t kStackBytes = 16 * 1024;

/// Memory for packed panels; on the stack where they are small.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t elements) : bytes_(static_cast<std::size_t>(elements) * sizeof(T)) {
    data_ = bytes_ <= sizeof(small_) ? small_ : static_cast<T*>(allocate(bytes_));
  }
  ~Scratch() {
    if (data_ != small_) {
      deallocate(data_, bytes_);
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() { return data_; }

 private:
  alignas(64) T small_[kStackBytes / sizeof(T)];
  T* data_;
  std::size_t bytes_;
};

/// A product, of which either c or its transpose is row-major: element (i, j) is c[i * c_row + j * c_column].
template <class T>
struct Oriented {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  Matrix<T> a;
  Matrix<T> b;
  T* c;
  std::int64_t c_row;
  std::int64_t c_column;
  T alpha;
  bool accumulate;
};

/// Either as it is, or c^T = b^T a^T: then the large b whose columns are contiguous is read as it lies, and only the
/// small a is packed. Each element is the same sum.
template <class T>
Oriented<T> orient(const Product<T>& p) {
  if (p.b.transposed && p.n >= 2 * p.m) {
    return {p.n, p.m, p.k, p.b.transpose(), p.a.transpose(), p.c, 1, p.ldc, p.alpha, p.accumulate};
  }
  return {p.m, p.n, p.k, p.a, p.b, p.c, p.ldc, 1, p.alpha, p.accumulate};
}

/// Where the operands of a product are packed; `rows` is null where a is read as it lies.
template <class T>
struct Packing {
  T* rows;
  T* columns;
};

/// At most kMaxRows rows, and one block of terms.
template <class T>
void multiply_block(const Oriented<T>& p, const Packing<T>& packed) {
  Panels<T> panels{p.a.data, p.a.row_stride(), p.a.column_stride(), kRows * p.a.row_stride(), nullptr, 0, p.k};
  if (packed.rows != nullptr) {
    const hn::CappedTag<T, static_cast<std::size_t>(kRows)> d;
    for (std::int64_t i = 0; i < p.m; i += kRows) {
      pack(d, p.a.from(i, 0).transpose(), std::min(kRows, p.m - i), p.k, packed.rows + i * p.k, kRows);
    }
    panels = {packed.rows, 1, kRows, kRows * p.k, nullptr, 0, p.k};
  }
  const std::int64_t width = tile_width<T>();
  for (std::int64_t j = 0; j < p.n; j += width) {
    const Matrix<T> b = p.b.from(0, j);
    Panels<T> column = panels;
    Target<T> to{p.c + j * p.c_column, p.c_row, p.c_column, p.m, std::min(width, p.n - j), p.alpha, p.accumulate};
    const std::int64_t computed = computed_columns<T>(to.columns);
    column.b = packed.columns;
    column.b_row = computed;
    if (b.transposed || to.columns < computed) {
      pack(hn::CappedTag<T, 16 / sizeof(T) * 4>(), b, to.columns, p.k, packed.columns, computed);
    } else if (computed < width || to.rows < kRows) {
      column.b = b.data;
      column.b_row = b.ld;
    } else {
      Panels<T> first = column;
      first.b = b.data;
      first.b_row = b.ld;
      multiply_and_pack(first, to, packed.columns);
      column.a += column.a_tile;
      to.c += kRows * to.c_row;
      to.rows -= kRows;
    }
    if (to.rows > 0) {
      multiply(column, to);
    }
  }
}

template <class T>
void multiply_blocks(const Product<T>& product) {
  const Oriented<T> p = orient(product);
  const std::int64_t depth = std::min(p.k, kDepth);
  const std::int64_t rows = p.n >= kMinColumns ? std::min(kMaxRows, (p.m + kRows - 1) / kRows * kRows) : 0;
  Scratch<T> scratch(depth * (tile_width<T>() + rows));
  const Packing<T> packed{rows == 0 ? nullptr : scratch.data() + depth * tile_width<T>(), scratch.data()};
  for (std::int64_t i = 0; i < p.m; i += kMaxRows) {
    for (std::int64_t k = 0; k < p.k;) {
      Oriented<T> part = p;
      part.m = std::min(kMaxRows, p.m - i);
      part.k = depth_of_block(p.k - k);
      part.a = p.a.from(i, k);
      part.b = p.b.from(k, 0);
      part.c = p.c + i * p.c_row;
      part.accumulate = p.accumulate || k > 0;
      multiply_block(part, packed);
      k += part.k;
    }
  }
}

void blocks_float(const Product<float>& p) { multiply_blocks(p); }
void blocks_double(const Product<double>& p) { multiply_blocks(p); }
TileSize tile_float() { return {kRows, tile_width<float>()}; }
TileSize tile_double() { return {kRows, tile_width<double>()}; }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(blocks_float);
HWY_EXPORT(blocks_double);
HWY_EXPORT(tile_float);
HWY_EXPORT(tile_double);

void gemm_blocks(const Product<float>& p) { HWY_DYNAMIC_DISPATCH(blocks_float)(p); }
void gemm_blocks(const Product<double>& p) { HWY_DYNAMIC_DISPATCH(blocks_double)(p); }

template <>
TileSize tile_size<float>() {
  return HWY_DYNAMIC_DISPATCH(tile_float)();
}
template <>
TileSize tile_size<double>() {
  return HWY_DYNAMIC_DISPATCH(tile_double)();
}

}  // namespace backflow::kernels
#endif
