#include <backflow/ops/kernels/convolution/convolution_cut.h>

#include <algorithm>
#include <string_view>

namespace backflow::kernels {
namespace {

// What was measured is in docs/internals/measurements.md.
constexpr std::int64_t kUnits = 64;             // wanted: as many as a large node has cores
constexpr double kUnitFlop = 2.5e5;             // of a unit at least: 3 us
constexpr double kUnitWeightBytes = 640 << 10;  // of a unit at most: they stay in the L2 cache from sample to sample
constexpr std::int64_t kSliceWeightBytes = 192 << 10;  // of one whose rows are cut, at most
constexpr std::int64_t kCopyBytes = 512 << 10;         // of the rows of the source that a unit copies, at most

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

double flop_of_sample(const ConvolutionGeometry& g) {
  return g.cost(kFloat32).flop / static_cast<double>(std::max<std::int64_t>(g.x[0], 1));
}

/// From the first element that a filter sees to behind the last.
std::int64_t window(const ConvolutionGeometry& g) { return g.dilation[0] * (g.w[2] - 1) + 1; }

/// Whether parts of the channels are whole blocks, and contiguous for one sample.
bool allows_parts(Direction direction, const ConvolutionGeometry& g, const ConvolutionPrimitive& form,
                  std::int64_t parts) {
  const auto fits = [&](std::int64_t channels, std::int64_t block) { return channels % (parts * block) == 0; };
  if (g.groups > 1) {
    return g.groups % parts == 0 && g.groups > parts && fits(g.x[1], form.x_block) && fits(g.w[0], form.y_block);
  }
  return direction == Direction::Forward ? fits(g.w[0], form.y_block) : fits(g.x[1], form.x_block);
}

std::int64_t channel_parts(Direction direction, const ConvolutionGeometry& g, const ConvolutionPrimitive& form) {
  const double flop = flop_of_sample(g);
  const auto weight_bytes = static_cast<double>(numel_of(g.w) * 4);
  std::int64_t parts = 1;
  for (std::int64_t next = 2; next <= result_sizes(direction, g)[1]; ++next) {
    const bool is_enough = g.x[0] * parts >= kUnits && weight_bytes / static_cast<double>(parts) <= kUnitWeightBytes;
    if (is_enough || flop / static_cast<double>(next) < kUnitFlop) {
      break;
    }
    if (allows_parts(direction, g, form, next)) {
      parts = next;
    }
  }
  return parts;
}

/// Bytes of the rows of the source that `rows` rows of the result depend on, of one sample.
std::int64_t source_bytes(Direction direction, const ConvolutionGeometry& g, std::int64_t rows) {
  const DimVector& source = source_sizes(direction, g);
  const std::int64_t needed =
      direction == Direction::Forward ? (rows - 1) * g.stride[0] + window(g) : (rows + window(g) - 2) / g.stride[0] + 1;
  return needed * (numel_of(source) / (source[0] * source[2])) * 4;
}

}  // namespace

ConvolutionCut cut_of_channels(Direction direction, const ConvolutionGeometry& g, const ConvolutionPrimitive& form) {
  const std::int64_t parts = channel_parts(direction, g, form);
  const auto samples = static_cast<std::int64_t>(kUnitFlop / std::max(flop_of_sample(g), 1.0)) + 1;
  return {parts > 1 ? g.x[0] : ceil_div(g.x[0], samples), parts, 0};
}

std::int64_t most_slices(Direction direction, const ConvolutionGeometry& g, const ConvolutionPrimitive& form,
                         const ConvolutionCut& cut) {
  const std::int64_t block = direction == Direction::Forward ? form.y_block : form.x_block;
  // With one block of channels rows are contiguous, and the unit writes them into their place.
  const bool has_rows = cut.batch_pieces == g.x[0] && result_sizes(direction, g)[1] <= cut.parts * block;
  // All slices read the weights of their part.
  if (!has_rows || numel_of(g.w) * 4 / cut.parts > kSliceWeightBytes) {
    return 1;
  }
  const auto by_work = static_cast<std::int64_t>(flop_of_sample(g) / static_cast<double>(cut.parts) / kUnitFlop);
  return std::max<std::int64_t>(std::min({kUnits / (g.x[0] * cut.parts), by_work, result_sizes(direction, g)[2]}), 1);
}

std::int64_t rows_of_slice(Direction direction, const ConvolutionGeometry& g, std::int64_t slices) {
  const std::int64_t all = result_sizes(direction, g)[2];
  const std::int64_t step = direction == Direction::Forward ? 1 : g.stride[0];  // so that all slices are alike
  std::int64_t rows = ceil_div(ceil_div(all, slices), step) * step;
  while (rows > step && source_bytes(direction, g, rows) > kCopyBytes) {
    rows -= step;
  }
  return rows >= all || source_bytes(direction, g, rows) > kCopyBytes ? 0 : rows;
}

std::optional<RowSlice> row_slice(Direction direction, const ConvolutionGeometry& g, std::int64_t begin,
                                  std::int64_t end) {
  RowSlice s{begin, end, 0, 0};
  if (direction == Direction::Forward) {
    s.source_begin = std::max<std::int64_t>(begin * g.stride[0] - g.before[0], 0);
    s.source_end = std::min((end - 1) * g.stride[0] - g.before[0] + window(g), g.x[2]);
  } else {
    // Row i of dx gets from row j of dy where 0 <= i + before - j stride < window.
    s.source_begin = ceil_div(std::max<std::int64_t>(begin + g.before[0] - window(g) + 1, 0), g.stride[0]);
    s.source_end = std::min((end - 1 + g.before[0]) / g.stride[0] + 1, g.y[2]);
  }
  return s.source_begin < s.source_end ? std::optional(s) : std::nullopt;
}

ConvolutionGeometry part_of_channels(Direction direction, const ConvolutionGeometry& g, std::int64_t parts) {
  ConvolutionGeometry part = g;
  if (g.groups > 1) {
    part.groups /= parts;
  }
  if (g.groups > 1 || direction == Direction::Forward) {
    part.w[0] /= parts;
    part.y[1] = part.w[0];
  }
  if (g.groups > 1 || direction != Direction::Forward) {
    part.x[1] /= parts;
    part.w[1] = part.x[1] / part.groups;
  }
  return part;
}

ConvolutionGeometry part_of_rows(Direction direction, const ConvolutionGeometry& g, const RowSlice& slice) {
  ConvolutionGeometry part = g;
  if (direction == Direction::Forward) {
    part.x[2] = slice.source_end - slice.source_begin;
    part.y[2] = slice.end - slice.begin;
    part.before[0] = g.before[0] + slice.source_begin - slice.begin * g.stride[0];
  } else {
    part.x[2] = slice.end - slice.begin;
    part.y[2] = slice.source_end - slice.source_begin;
    part.before[0] = g.before[0] + slice.begin - slice.source_begin * g.stride[0];
  }
  return part;
}

}  // namespace backflow::kernels
