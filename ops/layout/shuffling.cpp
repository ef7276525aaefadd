// Channels and pixels rearranged.
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/indexing/indices_internal.h>
#include <backflow/ops/kernels/layout/shuffle.h>

namespace backflow {
namespace {

using namespace detail;

/// Throws Error unless `x` is an image [..., channels, height, width] and the factor 1 or more.
void check_image(const char* where, const Tensor& x, std::int64_t factor) {
  check(x.dim() >= 3, where, ": input ", describe(x), ": need an image [..., channels, height, width]");
  check(factor >= 1 && factor <= 65536, where, ": factor ", factor, ": need one in [1, 65536]");
}

/// Runs the kernel; the last three sizes of y are given.
Tensor shuffled(const Tensor& x, std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t factor,
                bool inverse) {
  DimVector sizes(x.sizes());
  const std::size_t d = sizes.size() - 3;
  sizes[d] = channels;
  sizes[d + 1] = height;
  sizes[d + 2] = width;
  Tensor y = empty_tensor(sizes, x.scalar_type());
  if (y.numel() > 0) {
    const IntArrayRef small = inverse ? y.sizes() : x.sizes();
    const std::int64_t plane = small[d + 1] * small[d + 2];
    kernels::pixel_shuffle(y, x.is_contiguous() ? x : row_major_copy(x),
                           {y.numel() / (plane * factor * factor), small[d + 1], small[d + 2], factor}, inverse);
  }
  return y;
}

struct PixelShuffle {
  static constexpr OperatorInfo info = {
      .signature = "pixel_shuffle(Tensor self, int upscale_factor) -> Tensor",
      .formula = "y[c][h r + i][w r + j] = x[c r r + i r + j][h][w];  dx = pixel_unshuffle(dy)",
      .doc = "Moves channels to pixels: an image [..., c r r, h, w] becomes [..., c, h r, w r] (Shi et al., 2016).",
      .dtypes = kAnyDtype,
      .node = "PixelShuffleBackward0",
  };
  std::int64_t factor_;
  static Tensor forward(const Tensor& x, std::int64_t r) {
    check_image("pixel_shuffle", x, r);
    check(x.size(-3) % (r * r) == 0, "pixel_shuffle: input ", describe(x), ", factor ", r,
          ": need channels in multiples of ", r * r);
    return shuffled(x, x.size(-3) / (r * r), x.size(-2) * r, x.size(-1) * r, r, false);
  }
  void save(Needs, const Tensor&, std::int64_t r, const Tensor&) { factor_ = r; }
  void backward(Backward& b) const { b.dx(0) = pixel_unshuffle(b.dy(), factor_); }
};

struct PixelUnshuffle {
  static constexpr OperatorInfo info = {
      .signature = "pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor",
      .formula = "y[c r r + i r + j][h][w] = x[c][h r + i][w r + j];  dx = pixel_shuffle(dy)",
      .doc = "The inverse of pixel_shuffle, of an image [..., c, h r, w r].",
      .dtypes = kAnyDtype,
      .node = "PixelUnshuffleBackward0",
  };
  std::int64_t factor_;
  static Tensor forward(const Tensor& x, std::int64_t r) {
    check_image("pixel_unshuffle", x, r);
    check(x.size(-2) % r == 0 && x.size(-1) % r == 0, "pixel_unshuffle: input ", describe(x), ", factor ", r,
          ": need height and width in multiples of it");
    return shuffled(x, x.size(-3) * r * r, x.size(-2) / r, x.size(-1) / r, r, true);
  }
  void save(Needs, const Tensor&, std::int64_t r, const Tensor&) { factor_ = r; }
  void backward(Backward& b) const { b.dx(0) = pixel_shuffle(b.dy(), factor_); }
};

struct ChannelShuffle {
  static constexpr OperatorInfo info = {
      .signature = "channel_shuffle(Tensor input, int groups) -> Tensor",
      .formula = "y[n][i g + k] = x[n][k c / g + i];  dx = channel_shuffle(dy, c / g)",
      .doc =
          "Permutes the channels of [batch, c, ...], so that neighbours come from different groups (Zhang et al., "
          "2018).",
      .dtypes = kAnyDtype,
      .node = "ChannelShuffleBackward0",
  };
  std::int64_t groups_;
  static Tensor forward(const Tensor& x, std::int64_t groups) {
    check(x.dim() >= 3, "channel_shuffle: input ", describe(x), ": need [batch, channels, ...] with more dimensions");
    check(groups >= 1 && x.size(1) % groups == 0, "channel_shuffle: input ", describe(x), ", ", groups,
          " groups: need groups of equal size");
    Tensor y = empty_tensor(x.sizes(), x.scalar_type());
    if (y.numel() > 0) {
      const std::int64_t of_group = x.size(1) / groups;
      DimVector sizes = {x.size(0), of_group, groups};
      DimVector from = {x.strides()[0], x.strides()[1], of_group * x.strides()[1]};
      DimVector to = {y.strides()[0], groups * y.strides()[1], y.strides()[1]};
      for (std::size_t d = 2; d < x.sizes().size(); ++d) {
        sizes.push_back(x.sizes()[d]);
        from.push_back(x.strides()[d]);
        to.push_back(y.strides()[d]);
      }
      kernels::copy(view_of(y, sizes, to, y.storage_offset()), view_of(x, sizes, from, x.storage_offset()));
    }
    return y;
  }
  void save(Needs, const Tensor& x, std::int64_t groups, const Tensor&) {
    groups_ = std::max<std::int64_t>(1, x.size(1) / groups);
  }
  void backward(Backward& b) const { b.dx(0) = channel_shuffle(b.dy(), groups_); }
};

}  // namespace

#include <backflow/ops/shuffling_functions.inc>

OperatorFamily shuffling_operators() { return family<PixelShuffle, PixelUnshuffle, ChannelShuffle>("shuffling"); }

}  // namespace backflow
