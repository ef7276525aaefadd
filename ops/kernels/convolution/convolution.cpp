#include <backflow/ops/kernels/convolution/convolution.h>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/reductions/reduce.h>
#include <backflow/runtime/tensor/gradient_ops.h>

namespace backflow::kernels {
namespace {

/// x itself, or a copy in `dtype`.
Tensor in_dtype(const Tensor& x, ScalarType dtype) {
  if (!x.defined() || x.scalar_type() == dtype) {
    return x;
  }
  Tensor y = empty_tensor(x.sizes(), dtype);
  copy(y, x);
  return y;
}

/// The result of f(float32 or float64 operands...), rounded to their dtype.
template <class F, class... X>
Tensor computed(const F& f, const Tensor& first, const X&... more) {
  if (first.scalar_type() != kBFloat16) {
    return f(first, more...);
  }
  return in_dtype(f(in_dtype(first, kFloat32), in_dtype(more, kFloat32)...), kBFloat16);
}

Tensor zeros(IntArrayRef sizes, ScalarType dtype) {
  Tensor y = empty_tensor(sizes, dtype);
  fill(y, 0);
  return y;
}

/// Elements as [batch, blocks, spatial, channels of a block], and how many blocks there are to be seen at once.
Tensor by_blocks(const Blocked& x) {
  const ChannelBlocks& b = x.blocks;
  const DimVector sizes{b.batch, b.blocks(), b.spatial, b.block};
  return view_of(x.elements, sizes, contiguous_strides(sizes), x.elements.storage_offset());
}

}  // namespace

Cost ConvolutionGeometry::cost(ScalarType dtype) const {
  const auto count = [](IntArrayRef sizes) { return static_cast<float>(numel_of(sizes)); };
  const float taps = count(w) / static_cast<float>(std::max<std::int64_t>(w[0], 1));
  return {2 * count(y) * taps, (count(x) + count(w) + count(y)) * static_cast<float>(element_size(dtype)), dtype};
}

Tensor convolution(const ConvolutionGeometry& g, const Tensor& x, const Tensor& w, const Tensor& bias) {
  if (numel_of(g.y) == 0 || numel_of(g.w) == 0) {
    Tensor y = zeros(g.y, x.scalar_type());
    if (bias.defined()) {
      add_to_channels(y, bias);
    }
    return y;
  }
  return computed(
      [&](const Tensor& a, const Tensor& b, const Tensor& c) {
        return suits_onednn(g, a.scalar_type()) ? onednn_convolution(g, a, b, c) : plain_convolution(g, a, b, c);
      },
      x, w, bias);
}

Tensor convolution_input_gradient(const ConvolutionGeometry& g, const Tensor& dy, const Tensor& w, std::int64_t block) {
  if (numel_of(g.y) == 0 || numel_of(g.w) == 0 || numel_of(g.x) == 0) {
    return zeros(g.x, dy.scalar_type());
  }
  return computed(
      [&](const Tensor& a, const Tensor& b) {
        return suits_onednn(g, a.scalar_type()) ? onednn_convolution_input_gradient(g, a, b, block)
                                                : plain_convolution_input_gradient(g, a, b);
      },
      dy, w);
}

Tensor convolution_weight_gradient(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy,
                                   const Tensor& place) {
  const bool is_empty = numel_of(g.y) == 0 || numel_of(g.w) == 0 || numel_of(g.x) == 0;
  const auto compute = [&](const Tensor& a, const Tensor& b) {
    return suits_onednn(g, a.scalar_type())
               ? onednn_convolution_weight_gradient(g, a, b, a.is_same(x) ? place : Tensor())
               : plain_convolution_weight_gradient(g, a, b);
  };
  Tensor dw = is_empty ? zeros(g.w, dy.scalar_type()) : computed(compute, x, dy);
  if (!place.defined() || dw.is_same(place)) {
    return dw;
  }
  gradient_ops().copy_(place, dw);
  return place;
}

Tensor channel_sums(const Tensor& x) {
  if (x.scalar_type() == kBFloat16) {
    return in_dtype(channel_sums(in_dtype(x, kFloat32)), kBFloat16);
  }
  const Blocked in = as_blocked(x, block_of(x));
  Tensor sums = empty_tensor({in.blocks.padded_channels()}, x.scalar_type());
  fold(Fold::Sum, Map::None, sums, by_blocks(in), {1, 0, 1, 0});
  if (!in.blocks.is_padded()) {
    return sums;
  }
  Tensor y = empty_tensor({in.blocks.channels}, x.scalar_type());
  copy(y, view_of(sums, y.sizes(), {1}, 0));
  return y;
}

void add_to_channels(const Tensor& y, const Tensor& bias) {
  const Blocked out = as_blocked(y, block_of(y));
  const ChannelBlocks& b = out.blocks;
  Tensor addend = bias;
  if (b.is_padded() || !bias.is_contiguous()) {
    addend = zeros({b.padded_channels()}, bias.scalar_type());
    copy(view_of(addend, bias.sizes(), {1}, 0), bias);
  }
  const Tensor to = by_blocks(out);
  binary(functions::Add{}, to, to,
         view_of(addend, {b.blocks(), 1, b.block}, {b.block, b.block, 1}, addend.storage_offset()));
}

}  // namespace backflow::kernels
