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
#include <backflow/runtime/threads/threads.h>

namespace backflow::kernels {
namespace {

using dnnl::memory;

// When packed weights pay, and how a product is cut; docs/internals/measurements.md says why.
constexpr std::int64_t kMinRows = 4;
constexpr std::int64_t kMaxRows = 128;
constexpr std::int64_t kMinSide = 64;            // of the weights
constexpr std::int64_t kMinWeights = 256 * 256;  // elements
constexpr double kPieceFlop = 16e6;              // of a piece that computes: about 120 us
constexpr double kPieceBytes = 1e6;              // of the weights of one that reads
constexpr std::int64_t kMinPieceColumns = 128;

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

/// The primitive for some columns of w.
struct ColumnsPrimitive {
  dnnl::matmul primitive;
  memory::desc x;
  memory::desc w;
  memory::desc bias;
  memory::desc y;
  memory::desc scratchpad;
};

/// Nothing unless oneDNN has a fast implementation with weights in blocks.
std::optional<ColumnsPrimitive> make_piece(const Sizes& s, bool with_bias) {
  ColumnsPrimitive p;
  p.x = row_major(s.m, s.k);
  p.y = row_major(s.m, s.n);
  if (with_bias) {
    p.bias = row_major(1, s.n);
  }
  const memory::desc any({s.k, s.n}, memory::data_type::f32, memory::format_tag::any);
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

/// How products of one shape are computed.
struct ProductPlan {
  bool is_usable = false;
  memory::desc w;            // packed, all columns
  std::int64_t columns = 0;  // of all pieces but the last
  std::int64_t count = 1;
  std::size_t bytes_of_piece = 0;  // of packed weights, but for the last
  ColumnsPrimitive regular;
  ColumnsPrimitive last;
};

/// Columns of w in one of its blocks.
std::int64_t columns_of_block(const BlockLayout& layout) {
  std::int64_t columns = 1;
  for (std::size_t i = 0; i < layout.inner_sizes.size(); ++i) {
    columns *= layout.inner_dims[i] == 1 ? layout.inner_sizes[i] : 1;
  }
  return columns;
}

/// Cuts the plan into pieces of whole blocks of columns, where these lie one after the other in the packed weights.
void cut(ProductPlan& plan, const Sizes& s, bool with_bias) {
  const BlockLayout layout = block_layout(plan.w);
  const std::int64_t block = columns_of_block(layout);
  const double flop = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const auto wanted = static_cast<std::int64_t>(std::max(flop / kPieceFlop, 4.0 * s.k * s.n / kPieceBytes));
  const std::int64_t pieces = std::min(wanted, s.n / kMinPieceColumns);
  if (pieces < 2 || layout.strides[1] < layout.strides[0]) {
    return;
  }
  const std::int64_t blocks = s.n / block;  // what is left over goes to the last piece
  const std::int64_t columns = (blocks + pieces - 1) / pieces * block;
  const std::int64_t count = (blocks * block + columns - 1) / columns;
  const auto regular = make_piece({s.m, columns, s.k}, with_bias);
  const auto last = make_piece({s.m, s.n - (count - 1) * columns, s.k}, with_bias);
  if (regular && last && block_layout(regular->w) == layout && block_layout(last->w) == layout) {
    plan.columns = columns;
    plan.count = count;
    plan.bytes_of_piece = static_cast<std::size_t>(columns / block * layout.strides[1]) * sizeof(float);
    plan.regular = *regular;
    plan.last = *last;
  }
}

ProductPlan make_plan(const Sizes& s, bool with_bias) {
  const SingleOpenMpThread single;
  ProductPlan plan;
  const auto whole = make_piece(s, with_bias);
  if (!whole) {
    return plan;
  }
  plan.is_usable = true;
  plan.w = whole->w;
  plan.last = *whole;
  cut(plan, s, with_bias);
  return plan;
}

std::shared_ptr<const ProductPlan> plan_of(const Sizes& s, bool with_bias) {
  static PrimitiveCache<std::array<std::int64_t, 4>, ProductPlan> kept;
  return kept.get({s.m, s.n, s.k, with_bias ? 1 : 0}, [&] { return make_plan(s, with_bias); });
}

/// Runs `p` on this thread.
void execute(const ColumnsPrimitive& p, const float* x, const std::byte* w, const float* bias, float* y) {
  Arguments arguments{{DNNL_ARG_SRC, over(p.x, x)}, {DNNL_ARG_WEIGHTS, over(p.w, w)}, {DNNL_ARG_DST, over(p.y, y)}};
  if (bias != nullptr) {
    arguments.emplace(DNNL_ARG_BIAS, over(p.bias, bias));
  }
  run_primitive(p.primitive, p.scratchpad, std::move(arguments));
}

void run(const ProductPlan& plan, const Sizes& s, const float* x, const std::byte* w, const float* bias, float* y) {
  if (plan.count == 1) {
    execute(plan.last, x, w, bias, y);
    return;
  }
  parallel_for(plan.count, [&](std::int64_t i) {
    const bool is_last = i + 1 == plan.count;
    const std::int64_t begin = i * plan.columns;
    const std::int64_t columns = is_last ? s.n - begin : plan.columns;
    // oneDNN's fast implementation writes no part of a row.
    const Tensor part = empty_tensor({s.m, columns}, kFloat32);
    auto* from = part.mutable_data_ptr<float>();
    execute(is_last ? plan.last : plan.regular, x, w + static_cast<std::size_t>(i) * plan.bytes_of_piece,
            bias == nullptr ? nullptr : bias + begin, from);
    for (std::int64_t row = 0; row < s.m; ++row) {
      std::memcpy(y + row * s.n + begin, from + row * columns, static_cast<std::size_t>(columns) * sizeof(float));
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
  const auto plan = plan_of(s, bias.defined());
  if (!plan->is_usable) {
    return false;
  }
  const memory::desc plain({s.k, s.n}, memory::data_type::f32, onednn_dims(w.strides()));
  const IntrusivePtr<Storage> packed = packed_weights(matrix, plain, plan->w);
  const Tensor rows = dense(x);
  const Tensor addend = dense(bias);
  run(*plan, s, rows.const_data_ptr<float>(), packed->data(),
      addend.defined() ? addend.const_data_ptr<float>() : nullptr, y.mutable_data_ptr<float>());
  return true;
}

}  // namespace backflow::kernels
