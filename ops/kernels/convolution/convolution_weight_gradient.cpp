// Gradients of the weights of convolutions, by oneDNN: slices of filters and channels, sums over parts of the batch.
#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <backflow/ops/kernels/convolution/convolution_pieces.h>
#include <backflow/ops/kernels/convolution/convolution_weight_cut.h>
#include <backflow/ops/kernels/products/packed_weights.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr double kBytesPerNanosecond = 10;

std::byte* bytes(float* data) { return reinterpret_cast<std::byte*>(data); }

void add(float* to, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] += from[i];
  }
}

/// x or dy, of which each primitive reads one slice of the channels of one or several samples. These lie behind each
/// other in memory where there is one slice, or one sample; else there is a copy, slice by slice.
class SlicedOperand {
 public:
  SlicedOperand(const Tensor& x, std::int64_t block, std::int64_t slices, std::int64_t samples)
      : whole_(as_blocked(x, block)),
        slices_(slices),
        run_(whole_.blocks.sample_elements() / slices),
        is_copied_(slices > 1 && samples > 1),
        copy_(empty_tensor({is_copied_ ? whole_.blocks.elements() : 0}, kFloat32)) {}

  std::int64_t samples_to_copy() const { return is_copied_ ? whole_.blocks.batch : 0; }
  std::int64_t bytes_to_copy() const { return samples_to_copy() * slices_ * run_ * 8; }
  void copy(std::int64_t n) const {
    for (std::int64_t slice = 0; slice < slices_; ++slice) {
      std::memcpy(copy_.mutable_data_ptr<float>() + (slice * whole_.blocks.batch + n) * run_,
                  whole_.elements.const_data_ptr<float>() + (n * slices_ + slice) * run_,
                  static_cast<std::size_t>(run_) * sizeof(float));
    }
  }
  /// The slice of the samples from n on.
  const float* at(std::int64_t n, std::int64_t slice) const {
    return is_copied_ ? copy_.const_data_ptr<float>() + (slice * whole_.blocks.batch + n) * run_
                      : whole_.elements.const_data_ptr<float>() + (n * slices_ + slice) * run_;
  }

 private:
  Blocked whole_;
  std::int64_t slices_;
  std::int64_t run_;  // elements of a slice of one sample
  bool is_copied_;
  Tensor copy_;
};

/// No sum is cut: the number of pieces is free.
void copy_slices(const SlicedOperand& x, const SlicedOperand& dy) {
  const std::int64_t of_x = x.samples_to_copy();
  parallel_ranges(of_x + dy.samples_to_copy(),
                  static_cast<double>(x.bytes_to_copy() + dy.bytes_to_copy()) / kBytesPerNanosecond,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t n = begin; n < end; ++n) {
                      n < of_x ? x.copy(n) : dy.copy(n - of_x);
                    }
                  });
}

/// The gradient of weights. It is kept in the form that primitives write if that is one of weights in blocks, which is
/// how the updated weights are read by the next forward; else it has to be unpacked.
class WeightGradient {
 public:
  WeightGradient(const ConvolutionGeometry& g, const WeightCut& cut, const Tensor& place)
      : cut_(cut), slice_elements_(elements_of(cut.primitive->w)) {
    std::optional<ChannelBlocks> blocks;
    if (g.groups == 1) {
      blocks = weight_blocks(cut.slice.w, cut.primitive->w);
    }
    is_packed_ = blocks.has_value();
    if (is_packed_) {
      tile_ = blocks->block * blocks->block;
      blocks->batch = g.w[0];
      blocks->channels = g.w[1];
      const Blocked in_place = place.defined() ? any_blocks(place) : Blocked();
      const bool fits = in_place && in_place.blocks == *blocks;
      dw_ = fits ? place : empty_blocked(g.w, kFloat32, *blocks);
      elements_ = fits ? in_place.elements : as_blocked(dw_, *blocks).elements;
      taps_ = blocks->spatial;
      channel_blocks_ = blocks->blocks() / cut.slices.channels;
    } else {
      dw_ = place.defined() && !may_be_blocked(place) ? place : empty_tensor(g.w, kFloat32);
      elements_ = empty_tensor({cut.slices.count() * slice_elements_}, kFloat32);
    }
    if (cut.parts > 1) {
      partials_ = empty_tensor({cut.parts, elements_.numel()}, kFloat32);
    }
  }

  std::int64_t slice_elements() const { return slice_elements_; }
  /// Where the sum of one part of the batch may be written: null where it needs memory of its own.
  float* sum(std::int64_t part, std::int64_t slice) const {
    if (cut_.parts > 1) {
      return partials_.mutable_data_ptr<float>() + part * elements_.numel() + slice * slice_elements_;
    }
    return cut_.slices.channels == 1 ? elements_.mutable_data_ptr<float>() + slice * slice_elements_ : nullptr;
  }
  /// Takes the only sum of a slice, if it had no place.
  void place(const float* sum, std::int64_t slice) const {
    for (std::int64_t run = 0; run < slice_elements_ / tile_; ++run) {
      std::copy_n(sum + run * tile_, tile_, elements_.mutable_data_ptr<float>() + to_whole(slice, run));
    }
  }
  /// When all sums are there.
  Tensor total() {
    if (cut_.parts > 1) {
      add_up();
    }
    if (!is_packed_) {
      unpack();
    }
    return std::move(dw_);
  }

 private:
  /// Where run number `run` of a slice, `tile_` elements, begins in the whole.
  std::int64_t to_whole(std::int64_t slice, std::int64_t run) const {
    const std::int64_t tile_runs = channel_blocks_ * taps_;  // of a block of filters of the slice
    const std::int64_t filter_blocks = slice_elements_ / tile_ / tile_runs;
    const std::int64_t filters = slice / cut_.slices.channels * filter_blocks + run / tile_runs;
    const std::int64_t channels = slice % cut_.slices.channels;
    return ((filters * cut_.slices.channels + channels) * tile_runs + run % tile_runs) * tile_;
  }
  /// Each element's partial sums, in the order of the batch: the number of pieces is free.
  void add_up() const {
    const std::int64_t whole = elements_.numel();
    const double nanoseconds = static_cast<double>(cut_.parts * whole * 4) / kBytesPerNanosecond;
    const float* const from = partials_.const_data_ptr<float>();
    auto* const to = elements_.mutable_data_ptr<float>();
    parallel_ranges((whole + tile_ - 1) / tile_, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t run = begin; run < end; ++run) {
        const std::int64_t first = run * tile_;
        const std::int64_t count = std::min(tile_, whole - first);
        float* const sum =
            to +
            (cut_.slices.channels == 1 ? first : to_whole(first / slice_elements_, first % slice_elements_ / tile_));
        std::copy_n(from + first, count, sum);
        for (std::int64_t part = 1; part < cut_.parts; ++part) {
          add(sum, from + part * whole + first, count);
        }
      }
    });
  }
  void unpack() const {
    const std::int64_t plain = dw_.numel() / cut_.slices.count();
    parallel_for(cut_.slices.count(), [&](std::int64_t i) {  // no sum is cut
      reorder_weights(cut_.primitive->w, bytes(elements_.mutable_data_ptr<float>() + i * slice_elements_),
                      plain_weights(cut_.slice), bytes(dw_.mutable_data_ptr<float>() + i * plain));
    });
  }

  const WeightCut& cut_;
  std::int64_t slice_elements_;
  Tensor dw_;
  Tensor elements_;  // of dw, one-dimensional, in the form of the primitives
  Tensor partials_;  // of the parts of the batch, each slice by slice
  bool is_packed_ = false;
  // Elements that lie together in slices as in the whole: one tap of a block of filters and one of channels.
  std::int64_t tile_ = 256;
  std::int64_t taps_ = 1;
  std::int64_t channel_blocks_ = 1;  // of a slice
};

/// The sum of one slice over one part of the batch: of the first step, to which those of the others are added.
void sum_part(const WeightCut& cut, std::int64_t part, std::int64_t slice, const SlicedOperand& x,
              const SlicedOperand& dy, float* sum) {
  const std::int64_t first = cut.first_step(part);
  const std::int64_t end = cut.first_step(part + 1);
  const Tensor scratch = empty_tensor({end - first > 1 ? elements_of(cut.primitive->w) : 0}, kFloat32);
  for (std::int64_t step = first; step < end; ++step) {
    const ConvolutionPrimitive& p = step + 1 < cut.steps() ? *cut.primitive : *cut.last;
    float* const to = step == first ? sum : scratch.mutable_data_ptr<float>();
    execute(p, {{DNNL_ARG_SRC, over(p.x, x.at(step * cut.samples, cut.slices.x_slice(slice)))},
                {DNNL_ARG_DIFF_DST, over(p.y, dy.at(step * cut.samples, cut.slices.y_slice(slice)))},
                {DNNL_ARG_DIFF_WEIGHTS, over(p.w, to)}});
    if (step > first) {
      add(sum, to, scratch.numel());
    }
  }
}

}  // namespace

Tensor onednn_convolution_weight_gradient(const ConvolutionGeometry& g, const Tensor& x_, const Tensor& dy_,
                                          const Tensor& place) {
  const auto kept = cut_weight_gradient(g, {.x = wanted_block(x_), .y = wanted_block(dy_)});
  const WeightCut& cut = *kept;
  const SlicedOperand x(x_, cut.primitive->x_block, cut.slices.of_x(), cut.samples);
  const SlicedOperand dy(dy_, cut.primitive->y_block, cut.slices.filters, cut.samples);
  WeightGradient gradient(g, cut, place);
  copy_slices(x, dy);
  const std::int64_t slices = cut.slices.count();
  parallel_for(cut.parts * slices, [&](std::int64_t i) {
    const std::int64_t slice = i % slices;
    float* const sum = gradient.sum(i / slices, slice);
    if (sum != nullptr) {
      sum_part(cut, i / slices, slice, x, dy, sum);
    } else {
      const Tensor own = empty_tensor({gradient.slice_elements()}, kFloat32);
      sum_part(cut, i / slices, slice, x, dy, own.mutable_data_ptr<float>());
      gradient.place(own.const_data_ptr<float>(), slice);
    }
  });
  return gradient.total();
}

}  // namespace backflow::kernels
