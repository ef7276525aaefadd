// Gradients of the weights of convolutions, by oneDNN: pieces of the batch, whose sums are added up, or of the filters.
#include <optional>
#include <utility>

#include <backflow/ops/kernels/convolution/convolution_pieces.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/products/packed_weights.h>

namespace backflow::kernels {
namespace {

// Gradients of so many bytes are cut over the filters, which needs no partial sums. For 512->512 on 4x4 two parts of
// the filters took 14 ms, sums over two pieces of the batch 22. A part has enough filters to be worth reading all of x.
constexpr std::int64_t kLargeWeights = 1 << 20;
constexpr std::int64_t kLargePart = 2 * kPieceFilters;

/// Pieces into which the filters are cut; 1 where the batch is cut instead.
std::int64_t filter_pieces(const ConvolutionGeometry& g) {
  const bool is_large = numel_of(g.w) * 4 >= kLargeWeights && g.groups == 1 && g.w[0] % kLargePart == 0;
  return is_large ? g.w[0] / kLargePart : 1;
}

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
      binary(functions::Add{}, total_, total_, view_of(others_, {total_.numel()}, {1}, i * total_.numel()));
    }
    return total_;
  }

 private:
  Tensor total_;  // one-dimensional
  Tensor others_;
};

/// The gradient of weights, and where primitives write it: into the gradient itself if it can be kept in their form,
/// which is how the updated weights are read by the next forward; else it has to be unpacked.
struct WeightGradient {
  /// In `count` pieces of the filters, each in the form of `part`.
  WeightGradient(const ConvolutionGeometry& g, IntArrayRef part, std::int64_t count, const dnnl::memory::desc& form) {
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
  const ConvolutionGeometry part = part_of_filters(g, count);
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
                 {DNNL_ARG_DIFF_DST, over(p->y, channels.const_data_ptr())},
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
