#include <backflow/ops/kernels/convolution/convolution_primitives.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include <backflow/ops/kernels/primitive_cache.h>
#include <backflow/ops/winograd.h>

namespace backflow::kernels {
namespace {

using dnnl::memory;

memory::desc row_major(IntArrayRef sizes) {
  return {onednn_dims(sizes), memory::data_type::f32, onednn_dims(contiguous_strides(sizes))};
}

memory::desc channels_last(IntArrayRef sizes) {
  DimVector strides(sizes);
  std::int64_t step = sizes[1];
  strides[1] = 1;
  for (std::size_t d = sizes.size(); d-- > 2;) {
    strides[d] = step;
    step *= sizes[d];
  }
  strides[0] = step;
  return {onednn_dims(sizes), memory::data_type::f32, onednn_dims(strides)};
}

memory::format_tag tag_of(std::size_t spatial_dims, std::int64_t block) {
  using tag = memory::format_tag;
  constexpr std::array<tag, 3> kBy8{tag::nCw8c, tag::nChw8c, tag::nCdhw8c};
  constexpr std::array<tag, 3> kBy16{tag::nCw16c, tag::nChw16c, tag::nCdhw16c};
  return (block == 8 ? kBy8 : kBy16)[spatial_dims - 1];
}

/// A tensor of these sizes in blocks of `block` channels, or as oneDNN likes for 0.
memory::desc data_desc(IntArrayRef sizes, std::int64_t block) {
  if (block == 0) {
    return {onednn_dims(sizes), memory::data_type::f32, memory::format_tag::any};
  }
  if (block == 1) {
    return row_major(sizes);
  }
  if (block == 8 || block == 16) {
    return {onednn_dims(sizes), memory::data_type::f32, tag_of(sizes.size() - 2, block)};
  }
  return channels_last(sizes);
}

/// The inverse: the size of the blocks, or none when they are not of a kind that is known here.
std::optional<std::int64_t> block_of(const memory::desc& desc, IntArrayRef sizes) {
  for (const std::int64_t block : {std::int64_t{1}, std::int64_t{16}, std::int64_t{8}}) {
    if (desc == data_desc(sizes, block)) {
      return block;
    }
  }
  if (desc == channels_last(sizes)) {
    return sizes[1];
  }
  return std::nullopt;
}

/// As oneDNN has them: groups are a dimension of their own.
DimVector weight_sizes(const ConvolutionGeometry& g) {
  if (g.groups == 1) {
    return g.w;
  }
  DimVector sizes{g.groups, g.w[0] / g.groups};
  for (std::size_t d = 1; d < g.w.size(); ++d) {
    sizes.push_back(g.w[d]);
  }
  return sizes;
}

/// Whether Winograd's algorithm is faster: docs/internals/measurements.md. It transforms the weights in every
/// call, which must not be many beside the positions.
bool suits_winograd(const ConvolutionGeometry& g) {
  const auto all = [](IntArrayRef list, std::int64_t n) {
    return std::all_of(list.begin(), list.end(), [=](std::int64_t i) { return i == n; });
  };
  return g.spatial_dims() == 2 && g.groups == 1 && all(g.stride, 1) && all(g.dilation, 1) && g.w[2] == 3 &&
         g.w[3] == 3 && g.w[1] >= 32 && g.w[0] * g.w[1] <= 8 * g.x[0] * g.x[2] * g.x[3];
}

ConvolutionDesc description(const ConvolutionGeometry& g, WantedBlocks wanted, bool with_bias,
                            dnnl::algorithm algorithm) {
  ConvolutionDesc d;
  d.algorithm = algorithm;
  d.x = data_desc(g.x, wanted.x);
  d.y = data_desc(g.y, wanted.y);
  d.w = {onednn_dims(weight_sizes(g)), memory::data_type::f32, memory::format_tag::any};
  if (with_bias) {
    d.bias = row_major({g.w[0]});
  }
  d.stride = onednn_dims(g.stride);
  for (std::size_t i = 0; i < g.spatial_dims(); ++i) {
    d.dilation.push_back(g.dilation[i] - 1);
    d.before.push_back(g.before[i]);
    d.after.push_back(std::max<std::int64_t>(g.after(i), 0));  // the last elements of x may be left over
  }
  return d;
}

template <class PrimitiveDesc>
ConvolutionPrimitive describe_primitive(const PrimitiveDesc& desc, const memory::desc& x, const memory::desc& w,
                                        const memory::desc& y) {
  ConvolutionPrimitive p;
  p.x = x;
  p.w = w;
  p.y = y;
  p.scratchpad = desc.scratchpad_desc();
  p.is_reference = is_reference(desc);
  p.implementation = desc.impl_info_str();
  return p;
}

/// One attempt; the primitive itself is made only once the attempt is chosen.
struct Attempt {
  ConvolutionPrimitive result;
  dnnl::convolution_forward::primitive_desc forward;
  dnnl::convolution_backward_data::primitive_desc data;
  dnnl::convolution_backward_weights::primitive_desc weights;
};

std::optional<Attempt> attempt(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted, bool with_bias,
                               dnnl::algorithm algorithm) {
  Attempt a;
  try {
    const ConvolutionDesc d = description(g, wanted, with_bias, algorithm);
    a.forward = forward_desc(d);
    if (direction == Direction::Forward) {
      a.result = describe_primitive(a.forward, a.forward.src_desc(), a.forward.weights_desc(), a.forward.dst_desc());
    } else if (direction == Direction::BackwardData) {
      a.data = backward_data_desc(d, a.forward);
      a.result = describe_primitive(a.data, a.data.diff_src_desc(), a.data.weights_desc(), a.data.diff_dst_desc());
    } else {
      a.weights = backward_weights_desc(d, a.forward);
      a.result =
          describe_primitive(a.weights, a.weights.src_desc(), a.weights.diff_weights_desc(), a.weights.diff_dst_desc());
    }
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
  const auto x = block_of(a.result.x, g.x);
  const auto y = block_of(a.result.y, g.y);
  if (!x || !y) {
    return std::nullopt;
  }
  a.result.x_block = *x;
  a.result.y_block = *y;
  return a;
}

ConvolutionPrimitive make(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted, bool with_bias) {
  const SingleOpenMpThread single;
  std::optional<Attempt> best;
  if (winograd_is_on() && suits_winograd(g)) {
    best = attempt(direction, g, wanted, with_bias, dnnl::algorithm::convolution_winograd);
  }
  for (const WantedBlocks& blocks :
       {wanted, WantedBlocks{wanted.x, 0}, WantedBlocks{0, wanted.y}, WantedBlocks{0, 0}, WantedBlocks{1, 1}}) {
    if (best && !best->result.is_reference) {
      break;
    }
    std::optional<Attempt> next = attempt(direction, g, blocks, with_bias, dnnl::algorithm::convolution_direct);
    if (next && (!best || !next->result.is_reference)) {
      best = std::move(next);
    }
  }
  check(best.has_value(), "convolution: oneDNN has no primitive for input ", IntArrayRef(g.x), ", weight ",
        IntArrayRef(g.w), ", result ", IntArrayRef(g.y), ", ", g.groups, " groups");
  switch (direction) {
    case Direction::Forward:
      best->result.primitive = dnnl::convolution_forward(best->forward);
      break;
    case Direction::BackwardData:
      best->result.primitive = dnnl::convolution_backward_data(best->data);
      break;
    case Direction::BackwardWeights:
      best->result.primitive = dnnl::convolution_backward_weights(best->weights);
      break;
  }
  return best->result;
}

}  // namespace

std::string convolution_key(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted, bool with_bias) {
  std::string key;
  const auto append = [&](std::int64_t number) { key.append(reinterpret_cast<const char*>(&number), sizeof(number)); };
  append(static_cast<std::int64_t>(direction));
  append(wanted.x);
  append(wanted.y);
  append(with_bias ? 1 : 0);
  append(winograd_is_on() ? 1 : 0);
  append(g.groups);
  for (const IntArrayRef list : {IntArrayRef(g.x), IntArrayRef(g.w), IntArrayRef(g.y), IntArrayRef(g.stride),
                                 IntArrayRef(g.before), IntArrayRef(g.dilation)}) {
    for (const std::int64_t number : list) {
      append(number);
    }
  }
  return key;
}

std::shared_ptr<const ConvolutionPrimitive> convolution_primitive(Direction direction, const ConvolutionGeometry& g,
                                                                  std::int64_t batch, WantedBlocks wanted,
                                                                  bool with_bias) {
  static PrimitiveCache<std::string, ConvolutionPrimitive> kept;
  ConvolutionGeometry piece = g;
  piece.x[0] = batch;
  piece.y[0] = batch;
  return kept.get(convolution_key(direction, piece, wanted, with_bias),
                  [&] { return make(direction, piece, wanted, with_bias); });
}

memory::desc plain_weights(const ConvolutionGeometry& g) { return row_major(weight_sizes(g)); }

}  // namespace backflow::kernels
