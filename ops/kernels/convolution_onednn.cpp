// Convolutions by oneDNN: pieces of the batch, each a primitive on one thread.
#include <algorithm>
#include <unordered_map>

#include <backflow/ops/kernels/blocked.h>
#include <backflow/ops/kernels/convolution_primitives.h>
#include <backflow/ops/kernels/counts_internal.h>
#include <backflow/ops/kernels/dense.h>
#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/kernels/packed_weights.h>
#include <backflow/ops/winograd.h>

namespace backflow::kernels {
namespace {

using dnnl::memory;

constexpr double kTinyFlop = 20e3;  // below, a primitive's start costs more than the computation

// How a convolution is cut; docs/performance.md has the measurements.
constexpr double kPieceFlop = 20e6;        // of a piece at least: about 200 us
constexpr std::int64_t kPieceSamples = 8;  // of a piece at least: each reads all weights
constexpr std::int64_t kMaxPieces = 64;
constexpr std::int64_t kMaxPartials = 4;         // sums of weight gradients, where the batch is cut
constexpr std::int64_t kLargeWeights = 1 << 20;  // bytes; such gradients are cut over the filters, which needs no sums
constexpr std::int64_t kPieceFilters = 128;      // of a piece then

std::int64_t pieces_of(Direction direction, const ConvolutionGeometry& g) {
  const auto by_work = static_cast<std::int64_t>(g.cost(kFloat32).flop / kPieceFlop);
  // Winograd's algorithm transforms the weights anew for each piece.
  const std::int64_t by_samples = winograd_is_on() ? 2 : std::max<std::int64_t>(g.x[0] / kPieceSamples, 2);
  const std::int64_t most = direction == Direction::BackwardWeights ? kMaxPartials : kMaxPieces;
  return std::clamp<std::int64_t>(std::min({by_work, by_samples, most}), 1, g.x[0]);
}

/// Pieces into which the filters are cut for the gradient of the weights; 1 where the batch is cut instead.
std::int64_t filter_pieces(const ConvolutionGeometry& g) {
  const bool is_large = numel_of(g.w) * 4 >= kLargeWeights && g.groups == 1 && g.w[0] % kPieceFilters == 0;
  return is_large ? g.w[0] / kPieceFilters : 1;
}

using Arguments = std::unordered_map<int, memory>;

/// Runs `p` on this thread.
void execute(const ConvolutionPrimitive& p, Arguments arguments) {
  if (p.is_reference) {
    count_reference_call();
  }
  const SingleOpenMpThread single;
  IntrusivePtr<Storage> scratchpad;
  if (p.scratchpad.get_size() > 0) {
    scratchpad = Storage::make(p.scratchpad.get_size());
    arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(p.scratchpad, onednn_engine(), scratchpad->data()));
  }
  p.primitive.execute(onednn_stream(), arguments);
  onednn_stream().wait();
}

memory over(const memory::desc& desc, void* data) { return {desc, onednn_engine(), data}; }

/// The elements from sample n on.
void* sample(const Blocked& x, std::int64_t n) {
  return x.elements.mutable_data_ptr<float>() + n * x.blocks.sample_elements();
}

/// The batch in pieces, each with the primitive for its size.
class Pieces {
 public:
  Pieces(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted, bool with_bias)
      : batch_(g.x[0]), count_(pieces_of(direction, g)) {
    const auto primitive = [&](std::int64_t samples) {
      return convolution_primitive(direction, g, samples, wanted, with_bias);
    };
    larger_ = primitive((batch_ + count_ - 1) / count_);
    smaller_ = batch_ % count_ == 0 ? larger_ : primitive(batch_ / count_);
    // The sizes differ by one sample: should that change the choice of blocks, the batch is not cut.
    if (!(larger_->w == smaller_->w) || larger_->x_block != smaller_->x_block ||
        larger_->y_block != smaller_->y_block) {
      count_ = 1;
      larger_ = smaller_ = primitive(batch_);
    }
  }
  std::int64_t count() const { return count_; }
  /// What all primitives have in common: weights and blocks.
  const ConvolutionPrimitive& form() const { return *larger_; }
  /// Calls body(primitive, first sample, number of the piece) for all pieces on the pool.
  template <class F>
  void run(const F& body) const {
    parallel_for(count_, [&](std::int64_t i) {
      const std::int64_t begin = i * batch_ / count_;
      const bool is_larger = (i + 1) * batch_ / count_ - begin == (batch_ + count_ - 1) / count_;
      body(is_larger ? *larger_ : *smaller_, begin, i);
    });
  }

 private:
  std::int64_t batch_;
  std::int64_t count_;
  std::shared_ptr<const ConvolutionPrimitive> larger_;
  std::shared_ptr<const ConvolutionPrimitive> smaller_;
};

/// The size of the blocks that are best kept: that of x when it is in any.
std::int64_t wanted_block(const Tensor& x) {
  const std::int64_t block = block_of(x);
  return block == 1 ? 0 : block;
}

memory::desc bias_desc(const ConvolutionGeometry& g) {
  return {{g.w[0]}, memory::data_type::f32, memory::format_tag::a};
}

}  // namespace

bool suits_onednn(const ConvolutionGeometry& g, ScalarType dtype) {
  if (dtype != kFloat32 || g.cost(dtype).flop < kTinyFlop) {
    return false;
  }
  for (std::size_t d = 0; d < g.spatial_dims(); ++d) {
    if (g.after(d) <= -g.stride[d]) {
      return false;  // x has elements behind the last that is used, more than oneDNN admits
    }
  }
  return true;
}

Tensor onednn_convolution(const ConvolutionGeometry& g, const Tensor& x, const Tensor& w, const Tensor& bias_) {
  const Pieces pieces(Direction::Forward, g, {.x = wanted_block(x)}, bias_.defined());
  const ConvolutionPrimitive& form = pieces.form();
  const IntrusivePtr<Storage> weights = packed_weights(w, plain_weights(g), form.w);
  const Blocked from = as_blocked(x, form.x_block);
  Tensor y = empty_blocked(g.y, kFloat32, form.y_block);
  const Blocked to = as_blocked(y, form.y_block);
  const Tensor bias = dense(bias_);
  pieces.run([&](const ConvolutionPrimitive& p, std::int64_t begin, std::int64_t) {
    Arguments arguments{{DNNL_ARG_SRC, over(p.x, sample(from, begin))},
                        {DNNL_ARG_WEIGHTS, over(p.w, weights->data())},
                        {DNNL_ARG_DST, over(p.y, sample(to, begin))}};
    if (bias.defined()) {
      arguments.emplace(DNNL_ARG_BIAS, over(bias_desc(g), bias.mutable_data_ptr()));
    }
    execute(p, std::move(arguments));
  });
  return y;
}

Tensor onednn_convolution_input_gradient(const ConvolutionGeometry& g, const Tensor& dy, const Tensor& w,
                                         std::int64_t block) {
  const Pieces pieces(Direction::BackwardData, g, {.x = block, .y = wanted_block(dy)}, false);
  const ConvolutionPrimitive& form = pieces.form();
  const IntrusivePtr<Storage> weights = packed_weights(w, plain_weights(g), form.w);
  const Blocked from = as_blocked(dy, form.y_block);
  Tensor dx = empty_blocked(g.x, kFloat32, form.x_block);
  const Blocked to = as_blocked(dx, form.x_block);
  pieces.run([&](const ConvolutionPrimitive& p, std::int64_t begin, std::int64_t) {
    execute(p, {{DNNL_ARG_DIFF_DST, over(p.y, sample(from, begin))},
                {DNNL_ARG_WEIGHTS, over(p.w, weights->data())},
                {DNNL_ARG_DIFF_SRC, over(p.x, sample(to, begin))}});
  });
  return dx;
}

namespace {

std::byte* bytes(const Tensor& x) { return static_cast<std::byte*>(x.mutable_data_ptr()); }

/// Adds all rows of x to the first, in their order.
void add_pieces(const Tensor& x) {
  const std::int64_t length = x.sizes()[1];
  const Tensor first = view_of(x, {length}, {1}, 0);
  for (std::int64_t piece = 1; piece < x.sizes()[0]; ++piece) {
    binary(Binary::Add, first, first, view_of(x, {length}, {1}, piece * length));
  }
}

/// Sums over pieces of the batch, added up in their order.
Tensor weight_gradient_by_samples(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy, Tensor* db) {
  const Pieces pieces(Direction::BackwardWeights, g, {.x = wanted_block(x), .y = wanted_block(dy)}, db != nullptr);
  const ConvolutionPrimitive& form = pieces.form();
  const Blocked from = as_blocked(x, form.x_block);
  const Blocked gradient = as_blocked(dy, form.y_block);
  const auto elements = static_cast<std::int64_t>(form.w.get_size() / sizeof(float));
  const Tensor sums = empty_tensor({pieces.count(), elements}, kFloat32);
  const Tensor bias_sums = db == nullptr ? Tensor() : empty_tensor({pieces.count(), g.w[0]}, kFloat32);
  pieces.run([&](const ConvolutionPrimitive& p, std::int64_t begin, std::int64_t piece) {
    Arguments arguments{{DNNL_ARG_SRC, over(p.x, sample(from, begin))},
                        {DNNL_ARG_DIFF_DST, over(p.y, sample(gradient, begin))},
                        {DNNL_ARG_DIFF_WEIGHTS, over(p.w, sums.mutable_data_ptr<float>() + piece * elements)}};
    if (db != nullptr) {
      arguments.emplace(DNNL_ARG_DIFF_BIAS, over(bias_desc(g), bias_sums.mutable_data_ptr<float>() + piece * g.w[0]));
    }
    execute(p, std::move(arguments));
  });
  add_pieces(sums);
  if (db != nullptr) {
    add_pieces(bias_sums);
    *db = empty_tensor({g.w[0]}, kFloat32);
    copy(*db, view_of(bias_sums, {g.w[0]}, {1}, 0));
  }
  Tensor dw = empty_tensor(g.w, kFloat32);
  reorder_weights(form.w, bytes(sums), plain_weights(g), bytes(dw));
  return dw;
}

/// Pieces of the filters, each over the whole batch: dy is copied into parts of its channels, which for large weights
/// is little. Undefined where oneDNN's blocks don't allow it.
Tensor weight_gradient_by_filters(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy) {
  const std::int64_t count = filter_pieces(g);
  ConvolutionGeometry part = g;
  part.w[0] /= count;
  part.y[1] = part.w[0];
  const auto p = convolution_primitive(Direction::BackwardWeights, part, g.x[0],
                                       {.x = wanted_block(x), .y = wanted_block(dy)}, false);
  if (p->is_reference || part.w[0] % p->y_block != 0) {
    return {};
  }
  const Blocked from = as_blocked(x, p->x_block);
  const Blocked gradient = as_blocked(dy, p->y_block);
  const ChannelBlocks& b = gradient.blocks;
  const std::int64_t run = b.sample_elements() / count;  // of one sample, the channels of one part
  Tensor dw = empty_tensor(g.w, kFloat32);
  parallel_for(count, [&](std::int64_t i) {
    const Tensor channels = empty_tensor({b.batch, run}, kFloat32);
    copy(channels, view_of(gradient.elements, channels.sizes(), {b.sample_elements(), 1},
                           gradient.elements.storage_offset() + i * run));
    const IntrusivePtr<Storage> packed = Storage::make(p->w.get_size());
    execute(*p, {{DNNL_ARG_SRC, over(p->x, sample(from, 0))},
                 {DNNL_ARG_DIFF_DST, over(p->y, channels.mutable_data_ptr())},
                 {DNNL_ARG_DIFF_WEIGHTS, over(p->w, packed->data())}});
    reorder_weights(p->w, packed->data(), plain_weights(part), bytes(dw) + i * numel_of(part.w) * 4);
  });
  return dw;
}

}  // namespace

Tensor onednn_convolution_weight_gradient(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy, Tensor* db) {
  if (filter_pieces(g) > 1) {
    if (Tensor dw = weight_gradient_by_filters(g, x, dy); dw.defined()) {
      return dw;
    }
  }
  return weight_gradient_by_samples(g, x, dy, db);
}

}  // namespace backflow::kernels
