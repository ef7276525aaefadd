#include <backflow/ops/kernels/convolution/convolution_weight_cut.h>

#include <algorithm>
#include <string>

#include <backflow/ops/kernels/convolution/convolution_pieces.h>
#include <backflow/ops/kernels/primitive_cache.h>
#include <backflow/ops/kernels/products/packed_weights.h>
#include <backflow/ops/winograd.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

// Measured: docs/internals/measurements.md.
constexpr double kFlopPerNanosecond = 90;
constexpr double kBytesPerNanosecond = 12;
constexpr double kStepNanoseconds = 40e3;  // of a step at least, and of a piece half of that
constexpr double kPieceNanoseconds = 20e3;
constexpr double kCopiedShare = 1.0 / 6;  // of the time at most, for copies of slices
// From here on a sample is a step: adding up a sum for each takes at most 4%.
constexpr double kSampleFlop = 12e6;
constexpr std::int64_t kSamplePositions = 128;     // of y
constexpr std::int64_t kSamplePartials = 5 << 20;  // bytes of partial sums, where a step is a sample
constexpr std::int64_t kPartials = 2 << 20;        // and where it is a part of the batch
constexpr std::int64_t kMaxParts = 16;
constexpr std::int64_t kSliceBytes = 600 << 10;  // of weights at most: larger ones leave the second cache
constexpr std::int64_t kLargeWeights = 1 << 20;
constexpr std::int64_t kWinogradFilters = 128;  // of a slice of large weights
constexpr double kWinogradFlop = 20e6;          // of a part at least

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Cuts the batch into at most `most` parts of whole steps.
void cut_batch(WeightCut& cut, std::int64_t most) {
  const std::int64_t steps_of_part = ceil_div(cut.steps(), std::clamp<std::int64_t>(most, 1, cut.steps()));
  cut.parts = ceil_div(cut.steps(), steps_of_part);
}

/// An estimate for the whole gradient on one thread.
double nanoseconds_of(const ConvolutionGeometry& g) {
  const Cost cost = g.cost(kFloat32);
  return std::max<double>(cost.flop / kFlopPerNanosecond, cost.bytes / kBytesPerNanosecond);
}

/// The sizes of parts and steps. In a step of one sample, slices of channels lie in one piece of memory; those of
/// several samples must be copied. But where each sample is a step, each has a sum that must be added.
void cut_batch(WeightCut& cut, const ConvolutionGeometry& g) {
  const double flop = g.cost(kFloat32).flop;
  const std::int64_t bytes = numel_of(g.w) * 4;
  const std::int64_t positions = numel_of(g.y) / (g.y[0] * g.y[1]);
  std::int64_t parts = 1;
  if (winograd_is_on()) {  // transforms the weights in each step
    parts = bytes >= kLargeWeights ? 1 : std::min<std::int64_t>(static_cast<std::int64_t>(flop / kWinogradFlop), 2);
  } else if (flop / static_cast<double>(cut.batch) >= kSampleFlop && positions >= kSamplePositions) {
    cut.samples = 1;
    cut_batch(cut, kSamplePartials / bytes);
    return;
  } else if (bytes < kLargeWeights) {
    parts = std::min({static_cast<std::int64_t>(nanoseconds_of(g) / kStepNanoseconds), kMaxParts, kPartials / bytes});
  }
  cut.samples = ceil_div(cut.batch, std::clamp<std::int64_t>(parts, 1, cut.batch));
  cut_batch(cut, cut.batch);
}

/// Into how many slices channels, filters and groups may be cut: each number divides these.
struct MostSlices {
  std::int64_t filters = 1;
  std::int64_t channels = 1;
  bool of_groups = false;
};

bool is_blocked(std::int64_t block) { return block == 8 || block == 16; }

/// Channels of a group, or of a row-major tensor, lie in one piece of memory too.
MostSlices most_group_slices(const ConvolutionGeometry& g, const ConvolutionPrimitive& p) {
  const auto is_cut = [](std::int64_t block) { return block == 1 || is_blocked(block); };
  std::int64_t slices = !p.is_reference && is_cut(p.x_block) && is_cut(p.y_block) ? g.groups : 1;
  while (slices > 1 && (g.groups % slices != 0 || g.w[0] / slices % p.y_block != 0 ||
                        g.x[1] / slices % p.x_block != 0 || g.w[0] % p.y_block != 0 || g.x[1] % p.x_block != 0)) {
    --slices;
  }
  return {slices, 1, true};
}

MostSlices most_slices(const ConvolutionGeometry& g, const ConvolutionPrimitive& p) {
  if (g.groups > 1) {
    return most_group_slices(g, p);
  }
  if (p.is_reference || !is_blocked(p.y_block) || g.w[0] % p.y_block != 0) {
    return {};
  }
  const bool cuts_channels = is_blocked(p.x_block) && weight_blocks(g.w, p.w).has_value();
  return {g.w[0] / p.y_block, cuts_channels ? g.x[1] / p.x_block : 1, false};
}

/// Without slices whose copies would take too much of the time.
MostSlices worth_copying(MostSlices most, const WeightCut& cut, const ConvolutionGeometry& g) {
  if (cut.samples > 1) {
    const double budget = nanoseconds_of(g) * kCopiedShare;
    const auto nanoseconds = [](IntArrayRef sizes) {
      return 8 * static_cast<double>(numel_of(sizes)) / kBytesPerNanosecond;
    };
    most.filters = nanoseconds(g.y) + (most.of_groups ? nanoseconds(g.x) : 0) > budget ? 1 : most.filters;
    most.channels = nanoseconds(g.x) + nanoseconds(g.y) > budget ? 1 : most.channels;
  }
  return most;
}

/// The next larger divisor of `most`.
std::int64_t next_slices(std::int64_t slices, std::int64_t most) {
  do {
    ++slices;
  } while (most % slices != 0);
  return slices;
}

/// At least `wanted` slices if there can be so many, as square as possible.
WeightSlices cut_slices(const MostSlices& most, const WeightCut& cut, const ConvolutionGeometry& g,
                        std::int64_t wanted) {
  WeightSlices slices{.of_groups = most.of_groups};
  const auto grow_filters = [&] { slices.filters = next_slices(slices.filters, most.filters); };
  while (slices.filters < most.filters && numel_of(g.w) * 4 / slices.filters > kSliceBytes) {
    grow_filters();
  }
  while (slices.count() < wanted && (slices.filters < most.filters || slices.channels < most.channels)) {
    const std::int64_t filters = g.w[0] / slices.filters;
    const std::int64_t channels = g.w[1] / slices.channels;
    // Where steps have several samples, slices of x are copied, which those of the filters alone don't need.
    const bool prefers_channels = cut.samples == 1 ? channels >= filters : channels > filters;
    if (slices.channels < most.channels && (prefers_channels || slices.filters == most.filters)) {
      slices.channels = next_slices(slices.channels, most.channels);
    } else {
      grow_filters();
    }
  }
  return slices;
}

/// How many slices there shall be: what threads want, where bits don't depend on it.
WeightSlices wanted_slices(const WeightCut& whole, const ConvolutionGeometry& g) {
  const MostSlices most = most_slices(g, *whole.primitive);
  if (winograd_is_on()) {  // its bits may depend on the cut
    const bool cuts = numel_of(g.w) * 4 >= kLargeWeights && !most.of_groups && g.w[0] % kWinogradFilters == 0;
    return {.filters = cuts && most.filters > 1 ? g.w[0] / kWinogradFilters : 1};
  }
  const MostSlices worth_it = worth_copying(most, whole, g);
  // So that no piece is shorter than kPieceNanoseconds: free_pieces() would allow an eighth.
  const std::int64_t pieces =
      free_pieces(whole.parts * worth_it.filters * worth_it.channels, nanoseconds_of(g) / (kPieceNanoseconds / 2500));
  return cut_slices(worth_it, whole, g, ceil_div(pieces, whole.parts));
}

ConvolutionGeometry slice_of(const ConvolutionGeometry& g, const WeightSlices& slices) {
  ConvolutionGeometry slice = g;
  slice.w[0] /= slices.filters;
  slice.y[1] /= slices.filters;
  slice.x[1] /= slices.of_x();
  if (slices.of_groups) {
    slice.groups /= slices.filters;
  } else {
    slice.w[1] /= slices.channels;
  }
  return slice;
}

/// Takes the primitives for the steps of `slice`; false if they differ in the forms of their operands.
bool take_primitives(WeightCut& cut, const ConvolutionGeometry& slice, WantedBlocks wanted) {
  const auto primitive = [&](std::int64_t samples) {
    return convolution_primitive(Direction::BackwardWeights, slice, samples, wanted, false);
  };
  cut.slice = slice;
  cut.primitive = primitive(cut.samples);
  const std::int64_t left = cut.batch - (cut.steps() - 1) * cut.samples;
  cut.last = left == cut.samples ? cut.primitive : primitive(left);
  return cut.primitive->w == cut.last->w && cut.primitive->x_block == cut.last->x_block &&
         cut.primitive->y_block == cut.last->y_block;
}

/// Whether slices have the implementation and the forms of the whole, apart from their size.
bool is_alike(const WeightCut& slices, const WeightCut& whole) {
  const ConvolutionPrimitive& a = *slices.primitive;
  const ConvolutionPrimitive& b = *whole.primitive;
  return a.implementation == b.implementation && slices.last->implementation == whole.last->implementation &&
         a.x_block == b.x_block && a.y_block == b.y_block &&
         weight_blocks(slices.slice.w, a.w).has_value() == weight_blocks(whole.slice.w, b.w).has_value();
}

WeightCut cut_anew(const ConvolutionGeometry& g, WantedBlocks wanted) {
  WeightCut whole;
  whole.batch = g.x[0];
  cut_batch(whole, g);
  if (!take_primitives(whole, g, wanted)) {
    whole.samples = whole.batch;
    whole.parts = 1;
    take_primitives(whole, g, wanted);
  }
  WeightCut cut = whole;
  cut.slices = wanted_slices(whole, g);
  if (cut.slices.count() == 1) {
    return whole;
  }
  const WantedBlocks same{.x = whole.primitive->x_block, .y = whole.primitive->y_block};
  const bool is_possible = take_primitives(cut, slice_of(g, cut.slices), same) && is_alike(cut, whole);
  return is_possible ? cut : whole;
}

}  // namespace

std::shared_ptr<const WeightCut> cut_weight_gradient(const ConvolutionGeometry& g, WantedBlocks wanted) {
  static PrimitiveCache<std::string, WeightCut> kept;
  return kept.get(key_of_cut(convolution_key(Direction::BackwardWeights, g, wanted, false)),
                  [&] { return cut_anew(g, wanted); });
}

}  // namespace backflow::kernels
