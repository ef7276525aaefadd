#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include <backflow/ops/kernels/layout/dense.h>
#include <backflow/ops/kernels/onednn.h>
#include <backflow/ops/kernels/primitive_cache.h>
#include <backflow/ops/kernels/products/packed_product.h>
#include <backflow/ops/kernels/products/packed_weights.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

using dnnl::memory;

// When packed weights pay, and how far a product is cut; docs/internals/measurements.md says why.
constexpr std::int64_t kMinRows = 4;
constexpr std::int64_t kMaxRows = 128;
constexpr std::int64_t kMinSide = 64;            // of the weights
constexpr std::int64_t kMinWeights = 256 * 256;  // elements
constexpr double kFlopPerNanosecond = 100;
constexpr double kBytesPerNanosecond = 12;  // of weights
constexpr std::int64_t kMinPieceRows = 16;  // fewer rows read the weights too often

struct Sizes {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};

bool pays(const Sizes& s) {
  return s.m >= kMinRows && s.m <= kMaxRows && s.k >= kMinSide && s.n >= kMinSide && s.k * s.n >= kMinWeights;
}

memory::desc row_major(std::int64_t rows, std::int64_t columns) {
  return {{rows, columns}, memory::data_type::f32, memory::dims{columns, 1}};
}

/// The primitive for some rows of x and some columns of w.
struct PiecePrimitive {
  dnnl::matmul primitive;
  memory::desc x;
  memory::desc w;
  memory::desc bias;
  memory::desc y;
  memory::desc scratchpad;
};

/// Nothing unless oneDNN has a fast implementation with weights in blocks.
std::optional<PiecePrimitive> make_piece(const Sizes& s, bool with_bias) {
  PiecePrimitive p;
  p.x = row_major(s.m, s.k);
  p.y = row_major(s.m, s.n);
  if (with_bias) {
    p.bias = row_major(1, s.n);
  }
  const memory::desc any({s.k, s.n}, memory::data_type::f32, memory::format_tag::any);
  const SingleOpenMpThread single;
  try {
    const dnnl::matmul::primitive_desc desc = product_desc(p.x, any, p.bias, p.y);
    p.w = desc.weights_desc();
    p.scratchpad = desc.scratchpad_desc();
    if (is_reference(desc) || block_layout(p.w).inner_sizes.empty()) {
      return std::nullopt;
    }
    p.primitive = dnnl::matmul(desc);
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
  return p;
}

using PieceOrNone = std::shared_ptr<const std::optional<PiecePrimitive>>;

PieceOrNone piece_of(const Sizes& s, bool with_bias) {
  static PrimitiveCache<std::array<std::int64_t, 4>, std::optional<PiecePrimitive>> kept;
  return kept.get({s.m, s.n, s.k, with_bias ? 1 : 0}, [&] { return make_piece(s, with_bias); });
}

/// Columns of w in one of its blocks.
std::int64_t columns_of_block(const BlockLayout& layout) {
  std::int64_t columns = 1;
  for (std::size_t i = 0; i < layout.inner_sizes.size(); ++i) {
    columns *= layout.inner_dims[i] == 1 ? layout.inner_sizes[i] : 1;
  }
  return columns;
}

/// So many ranges of `step` rows and of `columns` columns, which are whole blocks of the packed weights; the last ones
/// are shorter. There is a primitive for each size of a piece.
struct Cut {
  std::int64_t down = 1;
  std::int64_t across = 1;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::size_t bytes = 0;  // of the packed weights of a range of columns
  std::array<std::array<PieceOrNone, 2>, 2> primitives;

  const PiecePrimitive& primitive(bool is_last_row, bool is_last_column) const {
    return **primitives[is_last_row ? 1 : 0][is_last_column ? 1 : 0];
  }
};

/// Cuts where the blocks of a range of columns lie one after the other in the packed weights `w`. No sum is cut, and
/// oneDNN adds up alike for any number of rows and columns (measured), so the cut is free.
Cut cut(const Sizes& s, const PieceOrNone& whole, bool with_bias) {
  const BlockLayout layout = block_layout((*whole)->w);
  const std::int64_t block = columns_of_block(layout);
  const std::int64_t blocks = s.n / block;  // what is left over goes to the last piece
  const double flop = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const double bytes = 4.0 * static_cast<double>(s.n) * static_cast<double>(s.k);
  const std::int64_t most_down = (s.m + kMinPieceRows - 1) / kMinPieceRows;
  const std::int64_t pieces =
      layout.strides[1] < layout.strides[0] || blocks == 0
          ? 1
          : free_pieces(blocks * most_down, std::max(flop / kFlopPerNanosecond, bytes / kBytesPerNanosecond));
  Cut result;
  result.rows = s.m;
  result.columns = s.n;
  if (pieces > 1) {
    const std::int64_t blocks_each = (blocks + pieces - 1) / pieces;
    result.across = (blocks + blocks_each - 1) / blocks_each;
    result.columns = result.across == 1 ? s.n : blocks_each * block;
    result.bytes = static_cast<std::size_t>(blocks_each * layout.strides[1]) * sizeof(float);
    const std::int64_t down = std::min(most_down, pieces / result.across);
    result.rows = (s.m + down - 1) / down;
    result.down = (s.m + result.rows - 1) / result.rows;
  }
  for (const int last_row : {0, 1}) {
    for (const int last_column : {0, 1}) {
      const Sizes piece{.m = last_row == 1 ? s.m - (result.down - 1) * result.rows : result.rows,
                        .n = last_column == 1 ? s.n - (result.across - 1) * result.columns : result.columns,
                        .k = s.k};
      PieceOrNone made = piece_of(piece, with_bias);
      if (!*made || block_layout((*made)->w) != layout) {
        return {.rows = s.m, .columns = s.n, .primitives = {{{whole, whole}, {whole, whole}}}};
      }
      result.primitives[static_cast<std::size_t>(last_row)][static_cast<std::size_t>(last_column)] = std::move(made);
    }
  }
  return result;
}

/// Runs `p` on this thread.
void execute(const PiecePrimitive& p, const float* x, const std::byte* w, const float* bias, float* y) {
  Arguments arguments{{DNNL_ARG_SRC, over(p.x, x)}, {DNNL_ARG_WEIGHTS, over(p.w, w)}, {DNNL_ARG_DST, over(p.y, y)}};
  if (bias != nullptr) {
    arguments.emplace(DNNL_ARG_BIAS, over(p.bias, bias));
  }
  run_primitive(p.primitive, p.scratchpad, std::move(arguments));
}

void run(const Cut& cut, const Sizes& s, const float* x, const std::byte* w, const float* bias, float* y) {
  parallel_for(cut.down * cut.across, [&](std::int64_t i) {
    const std::int64_t down = i / cut.across;
    const std::int64_t across = i % cut.across;
    const PiecePrimitive& p = cut.primitive(down + 1 == cut.down, across + 1 == cut.across);
    const std::int64_t begin = across * cut.columns;
    const std::int64_t rows = std::min(cut.rows, s.m - down * cut.rows);
    const std::int64_t columns = across + 1 == cut.across ? s.n - begin : cut.columns;
    const float* from = x + down * cut.rows * s.k;
    float* to = y + down * cut.rows * s.n + begin;
    const std::byte* weights = w + static_cast<std::size_t>(across) * cut.bytes;
    const float* addend = bias == nullptr ? nullptr : bias + begin;
    if (cut.across == 1) {
      execute(p, from, weights, addend, to);
      return;
    }
    // oneDNN's fast implementation writes no part of a row.
    const Tensor part = empty_tensor({rows, columns}, kFloat32);
    auto* written = part.mutable_data_ptr<float>();
    execute(p, from, weights, addend, written);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::memcpy(to + row * s.n, written + row * columns, static_cast<std::size_t>(columns) * sizeof(float));
    }
  });
}

/// The row-major matrix, all that is in its storage, that w or its transpose is; undefined when there is none.
Tensor whole_matrix(const Tensor& w) {
  const Storage& storage = *w.impl().storage;
  if (w.storage_offset() != 0 || storage.bytes() != w.nbytes() || storage.is_exposed()) {
    return {};
  }
  if (w.is_contiguous()) {
    return w;
  }
  const bool is_transpose = w.strides()[0] == 1 && w.strides()[1] == w.sizes()[0];
  return is_transpose ? view_of(w, {w.sizes()[1], w.sizes()[0]}, {w.sizes()[0], 1}, 0) : Tensor();
}

}  // namespace

bool packed_product(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& bias) {
  const Sizes s{.m = x.sizes()[0], .n = w.sizes()[1], .k = w.sizes()[0]};
  if (y.scalar_type() != kFloat32 || !pays(s)) {
    return false;
  }
  const Tensor matrix = whole_matrix(w);
  if (!matrix.defined()) {
    return false;
  }
  const PieceOrNone whole = piece_of(s, bias.defined());
  if (!*whole) {
    return false;
  }
  const memory::desc plain({s.k, s.n}, memory::data_type::f32, onednn_dims(w.strides()));
  const IntrusivePtr<Storage> packed = packed_weights(matrix, plain, (*whole)->w);
  const Tensor rows = dense(x);
  const Tensor addend = dense(bias);
  run(cut(s, whole, bias.defined()), s, rows.const_data_ptr<float>(), packed->data(),
      addend.defined() ? addend.const_data_ptr<float>() : nullptr, y.mutable_data_ptr<float>());
  return true;
}

}  // namespace backflow::kernels
