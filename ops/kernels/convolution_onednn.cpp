// Convolutions by oneDNN: pieces of the batch, each a primitive on one thread.
#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

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

/// Sums of the pieces of a computation: the first where their total shall be, the others behind each other.
class PartialSums {
 public:
  PartialSums(Tensor total, std::int64_t pieces)
      : total_(std::move(total)), others_(empty_tensor({pieces - 1, total_.numel()}, kFloat32)) {}

  float* of_piece(std::int64_t i) const {
    return i == 0 ? total_.mutable_data_ptr<float>() : others_.mutable_data_ptr<float>() + (i - 1) * total_.numel();
  }
  /// Adds all up, in their order.
  const Tensor& total() const {
    for (std::int64_t i = 0; i < others_.sizes()[0]; ++i) {
      binary(Binary::Add, total_, total_, view_of(others_, {total_.numel()}, {1}, i * total_.numel()));
    }
    return total_;
  }

 private:
  Tensor total_;  // one-dimensional
  Tensor others_;
};

std::int64_t elements_of(const memory::desc& form) {
  return static_cast<std::int64_t>(form.get_size() / sizeof(float));
}

/// The gradient of weights, and where primitives write it: into the gradient itself if it can be kept in their form,
/// which is how the updated weights are read by the next forward; else it has to be unpacked.
struct WeightGradient {
  /// In `count` pieces of the filters, each in the form of `part`.
  WeightGradient(const ConvolutionGeometry& g, IntArrayRef part, std::int64_t count, const memory::desc& form) {
    std::optional<ChannelBlocks> blocks = g.groups == 1 ? weight_blocks(part, form) : std::nullopt;
    is_packed = blocks.has_value();
    if (is_packed) {
      blocks->batch = g.w[0];
      dw = empty_blocked(g.w, kFloat32, *blocks);
      elements = as_blocked(dw, *blocks).elements;
    } else {
      dw = empty_tensor(g.w, kFloat32);
      elements = empty_tensor({count * elements_of(form)}, kFloat32);
    }
  }

  Tensor dw;
  Tensor elements;  // one-dimensional
  bool is_packed = false;
};

/// Sums over pieces of the batch, added up in their order.
Tensor weight_gradient_by_samples(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy, Tensor* db) {
  const Pieces pieces(Direction::BackwardWeights, g, {.x = wanted_block(x), .y = wanted_block(dy)}, db != nullptr);
  const ConvolutionPrimitive& form = pieces.form();
  const Blocked from = as_blocked(x, form.x_block);
  const Blocked to = as_blocked(dy, form.y_block);
  WeightGradient gradient(g, g.w, 1, form.w);
  const PartialSums sums(gradient.elements, pieces.count());
  const PartialSums bias_sums(empty_tensor({db == nullptr ? 0 : g.w[0]}, kFloat32), pieces.count());
  pieces.run([&](const ConvolutionPrimitive& p, std::int64_t begin, std::int64_t piece) {
    Arguments arguments{{DNNL_ARG_SRC, over(p.x, sample(from, begin))},
                        {DNNL_ARG_DIFF_DST, over(p.y, sample(to, begin))},
                        {DNNL_ARG_DIFF_WEIGHTS, over(p.w, sums.of_piece(piece))}};
    if (db != nullptr) {
      arguments.emplace(DNNL_ARG_DIFF_BIAS, over(bias_desc(g), bias_sums.of_piece(piece)));
    }
    execute(p, std::move(arguments));
  });
  if (db != nullptr) {
    *db = bias_sums.total();
  }
  sums.total();
  if (!gradient.is_packed) {
    reorder_weights(form.w, bytes(gradient.elements), plain_weights(g), bytes(gradient.dw));
  }
  return std::move(gradient.dw);
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
  const Blocked to = as_blocked(dy, p->y_block);
  const ChannelBlocks& b = to.blocks;
  const std::int64_t run = b.sample_elements() / count;  // of one sample, the channels of one part
  WeightGradient gradient(g, part.w, count, p->w);
  parallel_for(count, [&](std::int64_t i) {
    const Tensor channels = empty_tensor({b.batch, run}, kFloat32);
    copy(channels,
         view_of(to.elements, channels.sizes(), {b.sample_elements(), 1}, to.elements.storage_offset() + i * run));
    float* const packed = gradient.elements.mutable_data_ptr<float>() + i * elements_of(p->w);
    execute(*p, {{DNNL_ARG_SRC, over(p->x, sample(from, 0))},
                 {DNNL_ARG_DIFF_DST, over(p->y, channels.mutable_data_ptr())},
                 {DNNL_ARG_DIFF_WEIGHTS, over(p->w, packed)}});
    if (!gradient.is_packed) {
      reorder_weights(p->w, reinterpret_cast<std::byte*>(packed), plain_weights(part),
                      bytes(gradient.dw) + i * numel_of(part.w) * 4);
    }
  });
  return std::move(gradient.dw);
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
