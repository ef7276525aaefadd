// Means and squared deviations: two passes over pieces that stay in the cache, combined by Chan's formula.
#include <algorithm>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/reductions/reduce.h>
#include <backflow/ops/kernels/reductions/reduce_loops.h>
#include <backflow/ops/kernels/reductions/reduce_source.h>
#include <backflow/ops/kernels/reductions/reduce_walk.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::kernels {
namespace {

using namespace detail;

constexpr std::int64_t kBlock = kFetch;        // elements of a row that are taken at a time
constexpr std::int64_t kRowPiece = 64 * 1024;  // elements of one piece of a long row
constexpr std::int64_t kRows = 64;             // rows that are taken at a time, of
constexpr std::int64_t kColumns = 256;         // so many columns
constexpr std::int64_t kPieces = 32;           // pieces that are enough for the threads

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

template <class A>
Moments of_row(const Source<A>& x, std::int64_t offset, std::int64_t stride, std::int64_t n) {
  alignas(64) A block[kBlock];
  Moments all;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t size = std::min(kBlock, n - i);
    Moments m{static_cast<double>(size)};
    moments_loops<A>().row(x.read(offset + i * stride, stride, size, block), static_cast<std::size_t>(size), &m.mean,
                           &m.m2);
    i == 0 ? void(all = m) : all.add(m);
  }
  return all;
}

/// [outer] moments of rows.
template <class A>
void rows(const Source<A>& x, const Pass& pass, Moments* y) {
  const std::int64_t pieces = chunks_of(pass.n, kRowPiece);
  std::vector<Moments> partial(pieces == 1 ? 0 : static_cast<std::size_t>(pass.outer * pieces));
  Moments* const to = pieces == 1 ? y : partial.data();
  const std::int64_t count = std::max<std::int64_t>(1, kElementwiseChunk / std::min(pass.n, kRowPiece));
  parallel_for(chunks_of(pass.outer * pieces, count), [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * count; i < std::min(pass.outer * pieces, (chunk + 1) * count); ++i) {
      const std::int64_t begin = i % pieces * kRowPiece;
      to[i] =
          of_row(x, pass.offset(i / pieces) + begin * pass.stride, pass.stride, std::min(kRowPiece, pass.n - begin));
    }
  });
  for (std::int64_t o = 0; pieces > 1 && o < pass.outer; ++o) {
    y[o] = combine(to + o * pieces, pieces);
  }
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

/// [outer, inner] moments of columns.
template <class A>
void columns(const Source<A>& x, const Pass& pass, Moments* y) {
  const std::int64_t width = std::min(kColumns, pass.inner);
  const std::int64_t across = chunks_of(pass.inner, width);
  const std::int64_t rows = pass.outer * across >= kPieces ? pass.n : std::max(kRows, kRowPiece / width);
  const std::int64_t pieces = chunks_of(pass.n, rows);
  std::vector<Moments> partial(pieces == 1 ? 0 : static_cast<std::size_t>(pass.outer * pieces * pass.inner));
  Moments* const to = pieces == 1 ? y : partial.data();
  parallel_for(pass.outer * pieces * across, [&](std::int64_t i) {
    const std::int64_t piece = i / across;
    const std::int64_t begin = piece % pieces * rows;
    const std::int64_t j = i % across * width;
    of_columns(x, pass.offset(piece / pieces) + begin * pass.stride + j * pass.inner_stride, pass,
               std::min(rows, pass.n - begin), std::min(width, pass.inner - j), to + piece * pass.inner + j);
  });
  if (pieces > 1) {
    parallel_for(pass.outer, [&](std::int64_t o) {
      std::vector<Moments> parts(static_cast<std::size_t>(pieces));
      for (std::int64_t j = 0; j < pass.inner; ++j) {
        for (std::int64_t p = 0; p < pieces; ++p) {
          parts[static_cast<std::size_t>(p)] = to[(o * pieces + p) * pass.inner + j];
        }
        y[o * pass.inner + j] = combine(parts.data(), pieces);
      }
    });
  }
}

/// The moments of what was reduced to moments before.
std::vector<Moments> combine_pass(const std::vector<Moments>& x, const Pass& pass) {
  std::vector<Moments> y(static_cast<std::size_t>(pass.outer * pass.inner));
  parallel_for(pass.outer, [&](std::int64_t o) {
    std::vector<Moments> parts(static_cast<std::size_t>(pass.n));
    for (std::int64_t j = 0; j < pass.inner; ++j) {
      const std::int64_t offset = pass.offset(o) + j * pass.inner_stride;
      for (std::int64_t r = 0; r < pass.n; ++r) {
        parts[static_cast<std::size_t>(r)] = x[static_cast<std::size_t>(offset + r * pass.stride)];
      }
      y[static_cast<std::size_t>(o * pass.inner + j)] = combine(parts.data(), pass.n);
    }
  });
  return y;
}

template <class A>
std::vector<Moments> all_passes(const Tensor& x, Walk& walk) {
  const Source<A> source(x, Map::None, 0);
  const Pass pass = walk.next();
  std::vector<Moments> result(static_cast<std::size_t>(pass.outer * pass.inner));
  pass.inner == 1 ? rows(source, pass, result.data()) : columns(source, pass, result.data());
  while (!walk.done()) {
    result = combine_pass(result, walk.next());
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
    for (std::int64_t i = 0; i < count; ++i) {
      flat.mutable_data_ptr<double>()[i] = all[static_cast<std::size_t>(i)].*member;
    }
    walk.copy_result(to, flat);
  };
  put(mean, &Moments::mean);
  put(m2, &Moments::m2);
}

}  // namespace backflow::kernels
