// Means and squared deviations: two passes over pieces that stay in the cache, combined by Chan's formula.
#include <algorithm>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/columns.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/reductions/reduce.h>
#include <backflow/ops/kernels/reductions/reduce_loops.h>
#include <backflow/ops/kernels/reductions/reduce_source.h>
#include <backflow/ops/kernels/reductions/reduce_walk.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

using namespace detail;

// Pieces and blocks follow from shapes alone: they cut sums. Which of them a thread takes, and which columns, is free.
constexpr std::int64_t kBlock = kFetch;        // elements of a row that are taken at a time
constexpr std::int64_t kRowPiece = 64 * 1024;  // elements of one piece of a long row
constexpr std::int64_t kRows = 64;             // rows that are taken at a time, of
constexpr std::int64_t kColumns = 256;         // so many columns
constexpr std::int64_t kPieces = 32;           // pieces from which on the rows of columns stay whole
constexpr double kElement = 0.15;              // ns of an element
constexpr double kAddition = 10;               // ns of an addition of moments

/// The moments of `count` numbers.
struct Moments {
  double count = 0;
  double mean = 0;
  double m2 = 0;

  /// Of these and the others together (Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for
  /// computing sample variances, 1979).
  void add(const Moments& other) {
    const double total = count + other.count;
    const double delta = other.mean - mean;
    mean += delta * (other.count / total);
    m2 += other.m2 + delta * delta * (count / total * other.count);
    count = total;
  }
};

Moments combine(const Moments* parts, std::int64_t n) {
  if (n == 1) {
    return parts[0];
  }
  Moments left = combine(parts, n / 2);
  left.add(combine(parts + n / 2, n - n / 2));
  return left;
}

/// The moments of n <= kBlock elements.
template <class A>
Moments of_block(const Source<A>& x, std::int64_t offset, std::int64_t stride, std::int64_t n) {
  alignas(64) A block[kBlock];
  Moments m{static_cast<double>(n)};
  moments_loops<A>().row(x.read(offset, stride, n, block), static_cast<std::size_t>(n), &m.mean, &m.m2);
  return m;
}

/// The moments of n elements, whose blocks are of_block(i), in their order.
template <class F>
Moments of_blocks(std::int64_t n, const F& block) {
  Moments all = block(0);
  for (std::int64_t i = 1; i < chunks_of(n, kBlock); ++i) {
    all.add(block(i));
  }
  return all;
}

/// Rows in pieces: their moments, from moments of blocks.
template <class A>
class RowPieces {
 public:
  RowPieces(const Source<A>& x, const Pass& pass)
      : x_(x), pass_(pass), pieces_(chunks_of(pass.n, kRowPiece)), total_(pass.outer * pieces_) {}

  std::int64_t of_row() const { return pieces_; }
  std::int64_t total() const { return total_; }

  /// Threads share out the pieces; where there are fewer than threads, their blocks.
  void run(Moments* y) const {
    const double time = kElement * static_cast<double>(pass_.outer * pass_.n);
    const std::int64_t blocks = chunks_of(std::min(pass_.n, kRowPiece), kBlock);
    if (free_pieces(total_ * blocks, time) <= total_) {
      parallel_ranges(total_, time, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          y[i] = of_blocks(size(i), [&](std::int64_t block) { return of_block_of(i, block); });
        }
      });
      return;
    }
    std::vector<Moments> each(static_cast<std::size_t>(total_ * blocks));
    parallel_ranges(total_ * blocks, time, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        if (k % blocks * kBlock < size(k / blocks)) {
          each[static_cast<std::size_t>(k)] = of_block_of(k / blocks, k % blocks);
        }
      }
    });
    parallel_ranges(
        total_, kAddition * static_cast<double>(total_ * blocks), [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            y[i] = of_blocks(size(i), [&](std::int64_t k) { return each[static_cast<std::size_t>(i * blocks + k)]; });
          }
        });
  }

 private:
  std::int64_t size(std::int64_t i) const { return std::min(kRowPiece, pass_.n - i % pieces_ * kRowPiece); }
  Moments of_block_of(std::int64_t i, std::int64_t block) const {
    const std::int64_t begin = i % pieces_ * kRowPiece + block * kBlock;
    return of_block(x_, pass_.offset(i / pieces_) + begin * pass_.stride, pass_.stride,
                    std::min(kBlock, size(i) - block * kBlock));
  }

  const Source<A>& x_;
  const Pass& pass_;
  std::int64_t pieces_;
  std::int64_t total_;
};

/// [outer] moments of rows.
template <class A>
void rows(const Source<A>& x, const Pass& pass, Moments* y) {
  const RowPieces<A> all(x, pass);
  const std::int64_t pieces = all.of_row();
  if (pieces == 1) {
    all.run(y);
    return;
  }
  std::vector<Moments> partial(static_cast<std::size_t>(all.total()));
  all.run(partial.data());
  parallel_ranges(pass.outer, kAddition * static_cast<double>(all.total()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      y[o] = combine(partial.data() + o * pieces, pieces);
    }
  });
}

/// The moments of `rows` rows of n <= kColumns columns.
template <class A>
void of_columns(const Source<A>& x, std::int64_t offset, const Pass& pass, std::int64_t rows, std::int64_t n,
                Moments* y) {
  alignas(64) A scratch[2 * kColumns];
  double means[kColumns];
  double m2s[kColumns];
  std::vector<A> block;
  for (std::int64_t r = 0; r < rows; r += kRows) {
    const std::int64_t size = std::min(kRows, rows - r);
    const std::int64_t begin = offset + r * pass.stride;
    const A* from = nullptr;
    std::int64_t ld = pass.stride;
    if (x.is_plain() && pass.inner_stride == 1) {
      from = x.plain(begin);
    } else {
      block.resize(static_cast<std::size_t>(kRows * n));
      for (std::int64_t k = 0; k < size; ++k) {
        A* const to = block.data() + k * n;
        const A* row = x.read(begin + k * pass.stride, pass.inner_stride, n, to);
        row == to ? void() : void(std::copy_n(row, n, to));
      }
      from = block.data();
      ld = n;
    }
    moments_loops<A>().columns(from, static_cast<std::size_t>(size), static_cast<std::size_t>(ld),
                               static_cast<std::size_t>(n), means, m2s, scratch);
    for (std::int64_t j = 0; j < n; ++j) {
      const Moments m{static_cast<double>(size), means[j], m2s[j]};
      r == 0 ? void(y[j] = m) : y[j].add(m);
    }
  }
}

/// The moments of what was reduced to moments before: [outer, inner], columns one by one.
void combine_columns(const Moments* x, const Pass& pass, Moments* y) {
  const std::int64_t total = pass.outer * pass.inner;
  parallel_ranges(total, kAddition * static_cast<double>(total * pass.n), [&](std::int64_t begin, std::int64_t end) {
    std::vector<Moments> parts(static_cast<std::size_t>(pass.n));
    for (std::int64_t i = begin; i < end; ++i) {
      const Moments* const from = x + pass.offset(i / pass.inner) + i % pass.inner * pass.inner_stride;
      for (std::int64_t r = 0; r < pass.n; ++r) {
        parts[static_cast<std::size_t>(r)] = from[r * pass.stride];
      }
      y[i] = combine(parts.data(), pass.n);
    }
  });
}

/// [outer, inner] moments of columns.
template <class A>
void columns(const Source<A>& x, const Pass& pass, Moments* y) {
  const std::int64_t width = std::min(kColumns, pass.inner);
  const std::int64_t rows =
      pass.outer * chunks_of(pass.inner, width) >= kPieces ? pass.n : std::max(kRows, kRowPiece / width);
  const std::int64_t pieces = chunks_of(pass.n, rows);
  std::vector<Moments> partial(pieces == 1 ? 0 : static_cast<std::size_t>(pass.outer * pieces * pass.inner));
  Moments* const to = pieces == 1 ? y : partial.data();
  const double time = kElement * static_cast<double>(pass.outer * pass.n * pass.inner);
  parallel_columns(pass.outer * pieces, pass.inner, width, time, [&](std::int64_t i, std::int64_t j, std::int64_t n) {
    const std::int64_t row = i % pieces * rows;
    of_columns(x, pass.offset(i / pieces) + row * pass.stride + j * pass.inner_stride, pass,
               std::min(rows, pass.n - row), n, to + i * pass.inner + j);
  });
  if (pieces > 1) {
    combine_columns(to, Pass::dense(pass.outer, pieces, pass.inner), y);
  }
}

template <class A>
std::vector<Moments> all_passes(const Tensor& x, Walk& walk) {
  const Source<A> source(x, Map::None, 0);
  const Pass pass = walk.next();
  std::vector<Moments> result(static_cast<std::size_t>(pass.outer * pass.inner));
  pass.inner == 1 ? rows(source, pass, result.data()) : columns(source, pass, result.data());
  while (!walk.done()) {
    const Pass next = walk.next();
    std::vector<Moments> combined(static_cast<std::size_t>(next.outer * next.inner));
    combine_columns(result.data(), next, combined.data());
    result = std::move(combined);
  }
  return result;
}

}  // namespace

void moments(const Tensor& mean, const Tensor& m2, const Tensor& x, const DimVector& reduced) {
  if (mean.numel() == 0) {
    return;
  }
  Walk walk(x, reduced);
  const std::vector<Moments> all =
      x.scalar_type() == kFloat64 ? all_passes<double>(x, walk) : all_passes<float>(x, walk);
  const auto count = static_cast<std::int64_t>(all.size());
  const Tensor flat = empty_tensor({count}, kFloat64);
  const auto put = [&](const Tensor& to, double Moments::*member) {
    auto* const numbers = flat.mutable_data_ptr<double>();
    parallel_ranges(count, static_cast<double>(count), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        numbers[i] = all[static_cast<std::size_t>(i)].*member;
      }
    });
    walk.copy_result(to, flat);
  };
  put(mean, &Moments::mean);
  put(m2, &Moments::m2);
}

}  // namespace backflow::kernels
