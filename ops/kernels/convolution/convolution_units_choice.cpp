// Which of the cuts of a convolution is taken.
#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <backflow/ops/kernels/convolution/convolution_pieces.h>
#include <backflow/ops/kernels/convolution/convolution_units.h>
#include <backflow/ops/kernels/primitive_cache.h>
#include <backflow/ops/winograd.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

constexpr double kFlopPerNanosecond = 80;  // of one thread, roughly

/// Whether the implementation adds channel by channel and tap by tap, whatever the sizes are. oneDNN's 1x1 kernels sum
/// over blocks of channels, whose size depends on the number of filters and positions.
bool has_fixed_order(std::string_view implementation) {
  return implementation.starts_with("jit:") || implementation.starts_with("jit_dw:");
}

/// Some numbers in [-1, 1): the same ones in every call.
Tensor some_numbers(const DimVector& sizes) {
  Tensor x = empty_tensor(sizes, kFloat32);
  auto* const elements = x.mutable_data_ptr<float>();
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    state = state * 1664525U + 1013904223U;
    elements[i] = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31F;
  }
  return x;
}

}  // namespace

bool ConvolutionUnits::add_slice(const ConvolutionGeometry& part, const RowSlice& rows, WantedBlocks wanted,
                                 const ConvolutionPrimitive* like) {
  const std::int64_t samples = g_.x[0];
  const std::int64_t pieces = cut_.batch_pieces;
  const auto primitive = [&](std::int64_t count) {
    return convolution_primitive(direction_, part, count, wanted, with_bias_);
  };
  Slice slice{rows, primitive((samples + pieces - 1) / pieces), nullptr};
  slice.smaller = samples % pieces == 0 ? slice.larger : primitive(samples / pieces);
  slices_.push_back(slice);
  const auto fits = [&](const ConvolutionPrimitive& p) {
    const ConvolutionPrimitive& first = form();
    const bool is_like = like == nullptr || (p.implementation == like->implementation && p.x_block == like->x_block &&
                                             p.y_block == like->y_block);
    return is_like && p.w == first.w && p.x_block == first.x_block && p.y_block == first.y_block;
  };
  return fits(*slice.larger) && fits(*slice.smaller);
}

std::optional<ConvolutionUnits> ConvolutionUnits::make(Direction direction, const ConvolutionGeometry& g,
                                                       const ConvolutionCut& cut, WantedBlocks wanted, bool with_bias,
                                                       const ConvolutionPrimitive* like) {
  ConvolutionUnits units(direction, g, cut, with_bias);
  const ConvolutionGeometry part = part_of_channels(direction, g, cut.parts);
  const std::int64_t all = result_sizes(direction, g)[2];
  if (cut.rows == 0) {
    const RowSlice rows{0, all, 0, source_sizes(direction, g)[2]};
    return units.add_slice(part, rows, wanted, like) ? std::optional(units) : std::nullopt;
  }
  for (std::int64_t begin = 0; begin < all; begin += cut.rows) {
    const auto rows = row_slice(direction, g, begin, std::min(begin + cut.rows, all));
    if (!rows || !units.add_slice(part_of_rows(direction, part, *rows), *rows, wanted, like)) {
      return std::nullopt;
    }
  }
  return units;
}

/// Finds out by computing both ways, once for a shape.
bool ConvolutionUnits::keeps_bits(Direction direction, const ConvolutionGeometry& g, const ConvolutionPrimitive& form,
                                  std::int64_t parts) {
  static PrimitiveCache<std::string, bool> kept;
  ConvolutionGeometry one = g;
  one.x[0] = one.y[0] = 1;
  const WantedBlocks blocks{form.x_block, form.y_block};
  const auto find_out = [&] {
    const auto whole = make(direction, one, {1, 1, 0}, blocks, false, &form);
    const auto cut = make(direction, one, {1, parts, 0}, blocks, false, &form);
    if (!whole || !cut) {
      return false;
    }
    const Tensor source = some_numbers(source_sizes(direction, one));
    const Tensor w = some_numbers(one.w);
    const std::int64_t block = direction == Direction::Forward ? form.y_block : form.x_block;
    const Blocked a = as_blocked(whole->compute(source, w, {}), block);
    const Blocked b = as_blocked(cut->compute(source, w, {}), block);
    return std::memcmp(a.elements.const_data_ptr(), b.elements.const_data_ptr(), a.elements.nbytes()) == 0;
  };
  return *kept.get(convolution_key(direction, one, blocks, false) + std::to_string(parts), find_out);
}

/// Pieces of the batch, each all channels: what takes the least time on few threads.
ConvolutionUnits ConvolutionUnits::by_batch(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted,
                                            bool with_bias) {
  auto units = make(direction, g, {batch_pieces(g), 1, 0}, wanted, with_bias, nullptr);
  if (!units) {  // the sizes of the pieces differ by one sample, and with that the layout
    units = make(direction, g, {1, 1, 0}, wanted, with_bias, nullptr);
  }
  units->pieces_ = units->count();
  return *std::move(units);
}

std::shared_ptr<const ConvolutionUnits> ConvolutionUnits::choose(Direction direction, const ConvolutionGeometry& g,
                                                                 WantedBlocks wanted, bool with_bias) {
  static PrimitiveCache<std::string, ConvolutionUnits> kept;
  return kept.get(key_of_cut(convolution_key(direction, g, wanted, with_bias)),
                  [&] { return choose_anew(direction, g, wanted, with_bias); });
}

ConvolutionUnits ConvolutionUnits::choose_anew(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted,
                                               bool with_bias) {
  ConvolutionUnits few = by_batch(direction, g, wanted, with_bias);
  const ConvolutionPrimitive& form = few.form();
  if (winograd_is_on() || form.is_reference) {
    return few;
  }
  ConvolutionCut cut = cut_of_channels(direction, g, form);
  const bool is_fixed = has_fixed_order(form.implementation);
  const std::int64_t by_channels = cut.batch_pieces * cut.parts;
  const std::int64_t at_most = by_channels * (is_fixed ? most_slices(direction, g, form, cut) : 1);
  // A free cut: no sum is cut, and each of the cuts below was found to keep the bits.
  const std::int64_t pieces = free_pieces(at_most, g.cost(kFloat32).flop / kFlopPerNanosecond);
  // Two pieces a thread are wanted, but one is enough where all are equal.
  const bool is_even = g.x[0] % few.pieces_ == 0 && pieces == 2 * few.pieces_ && pieces < at_most;
  if (pieces <= few.pieces_ || is_even) {
    return few;
  }
  if (cut.parts > 1 && !is_fixed && !keeps_bits(direction, g, form, cut.parts)) {
    cut = {g.x[0], 1, 0};
  }
  if (pieces >= 2 * by_channels) {
    cut.rows = rows_of_slice(direction, g, pieces / by_channels);
  }
  const WantedBlocks blocks{form.x_block, form.y_block};
  std::optional<ConvolutionUnits> many = make(direction, g, cut, blocks, with_bias, &form);
  if (!many && cut.rows > 0) {
    cut.rows = 0;
    many = make(direction, g, cut, blocks, with_bias, &form);
  }
  if (!many) {
    return few;
  }
  many->pieces_ = many->count() < 2 * pieces ? many->count() : pieces;
  return *std::move(many);
}

}  // namespace backflow::kernels
