// Convolutions by oneDNN: pieces of the batch, or of the filters of one sample, each a primitive on one thread.
#include <optional>
#include <utility>

#include <backflow/ops/kernels/convolution/convolution_pieces.h>
#include <backflow/ops/kernels/layout/dense.h>
#include <backflow/ops/kernels/products/packed_weights.h>
#include <backflow/ops/winograd.h>

namespace backflow::kernels {
namespace {

constexpr double kTinyFlop = 20e3;  // below, a primitive's start costs more than the computation

/// Pieces into which the filters are cut for each sample of a small batch; 1 where the batch alone is cut.
std::int64_t filter_pieces(const ConvolutionGeometry& g) {
  if (g.groups != 1 || g.x[0] >= kPieceSamples || winograd_is_on()) {
    return 1;
  }
  const double flop = g.cost(kFloat32).flop / static_cast<double>(g.x[0]);
  std::int64_t count = 1;
  while (g.w[0] % (2 * count * kPieceFilters) == 0 && flop / static_cast<double>(2 * count) >= kPieceFlop) {
    count *= 2;
  }
  return count;
}

/// Every sample alone, and of each the filters in pieces: how small batches keep several threads busy. Undefined where
/// oneDNN's blocks don't allow it.
Tensor convolution_by_filters(const ConvolutionGeometry& g, const Tensor& x, const Tensor& w, const Tensor& bias) {
  const std::int64_t count = filter_pieces(g);
  const ConvolutionGeometry part = part_of_filters(g, count);
  const auto p = convolution_primitive(Direction::Forward, part, 1, {.x = wanted_block(x)}, bias.defined());
  const std::optional<ChannelBlocks> blocks = weight_blocks(part.w, p->w);
  if (p->is_reference || !blocks || part.w[0] % p->y_block != 0) {
    return {};
  }
  const IntrusivePtr<Storage> weights = packed_weights(w, plain_weights(g), packed_desc(g.w, blocks->block));
  const Blocked from = as_blocked(x, p->x_block);
  Tensor y = empty_blocked(g.y, kFloat32, p->y_block);
  auto* const to = as_blocked(y, p->y_block).elements.mutable_data_ptr<float>();
  parallel_for(g.x[0] * count, [&](std::int64_t i) {
    const std::int64_t filters = i % count;
    Arguments arguments{
        {DNNL_ARG_SRC, over(p->x, sample(from, i / count))},
        {DNNL_ARG_WEIGHTS, over(p->w, weights->data() + filters * static_cast<std::int64_t>(p->w.get_size()))},
        {DNNL_ARG_DST, over(p->y, to + i * elements_of(p->y))}};
    if (bias.defined()) {
      arguments.emplace(DNNL_ARG_BIAS, over(bias_desc(part), bias.const_data_ptr<float>() + filters * part.w[0]));
    }
    execute(*p, std::move(arguments));
  });
  return y;
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
  const Tensor bias = dense(bias_);
  if (filter_pieces(g) > 1) {
    if (Tensor y = convolution_by_filters(g, x, w, bias); y.defined()) {
      return y;
    }
  }
  const Pieces pieces(Direction::Forward, g, {.x = wanted_block(x)}, bias_.defined());
  const ConvolutionPrimitive& form = pieces.form();
  const IntrusivePtr<Storage> weights = packed_weights(w, plain_weights(g), form.w);
  const Blocked from = as_blocked(x, form.x_block);
  Tensor y = empty_blocked(g.y, kFloat32, form.y_block);
  const Blocked to = as_blocked(y, form.y_block);
  pieces.run([&](const ConvolutionPrimitive& p, std::int64_t begin, std::int64_t) {
    Arguments arguments{{DNNL_ARG_SRC, over(p.x, sample(from, begin))},
                        {DNNL_ARG_WEIGHTS, over(p.w, weights->data())},
                        {DNNL_ARG_DST, over(p.y, sample(to, begin))}};
    if (bias.defined()) {
      arguments.emplace(DNNL_ARG_BIAS, over(bias_desc(g), bias.const_data_ptr()));
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

}  // namespace backflow::kernels
