#include <backflow/ops/kernels/convolution/convolution_pieces.h>

#include <algorithm>
#include <utility>

#include <backflow/ops/kernels/kernel_counts.h>
#include <backflow/ops/winograd.h>

namespace backflow::kernels {

std::int64_t batch_pieces(Direction direction, const ConvolutionGeometry& g) {
  const auto by_work = static_cast<std::int64_t>(g.cost(kFloat32).flop / kPieceFlop);
  // Winograd's algorithm transforms the weights anew for each piece.
  const std::int64_t by_samples = winograd_is_on() ? 2 : std::max<std::int64_t>(g.x[0] / kPieceSamples, 2);
  const std::int64_t most = direction == Direction::BackwardWeights ? kMaxPartials : kMaxPieces;
  return std::clamp<std::int64_t>(std::min({by_work, by_samples, most}), 1, g.x[0]);
}

void execute(const ConvolutionPrimitive& p, Arguments arguments) {
  if (p.is_reference) {
    count_reference_call();
  }
  run_primitive(p.primitive, p.scratchpad, std::move(arguments));
}

ConvolutionGeometry part_of_filters(const ConvolutionGeometry& g, std::int64_t count) {
  ConvolutionGeometry part = g;
  part.w[0] /= count;
  part.y[1] = part.w[0];
  return part;
}

Pieces::Pieces(Direction direction, const ConvolutionGeometry& g, WantedBlocks wanted, bool with_bias)
    : batch_(g.x[0]), count_(batch_pieces(direction, g)) {
  const auto primitive = [&](std::int64_t samples) {
    return convolution_primitive(direction, g, samples, wanted, with_bias);
  };
  larger_ = primitive((batch_ + count_ - 1) / count_);
  smaller_ = batch_ % count_ == 0 ? larger_ : primitive(batch_ / count_);
  // The sizes differ by one sample: should that change the choice of blocks, the batch is not cut.
  if (!(larger_->w == smaller_->w) || larger_->x_block != smaller_->x_block || larger_->y_block != smaller_->y_block) {
    count_ = 1;
    larger_ = smaller_ = primitive(batch_);
  }
}

void Pieces::run(FunctionRef<void(const ConvolutionPrimitive&, std::int64_t, std::int64_t)> body) const {
  parallel_for(count_, [&](std::int64_t i) {
    const std::int64_t begin = i * batch_ / count_;
    const bool is_larger = (i + 1) * batch_ / count_ - begin == (batch_ + count_ - 1) / count_;
    body(is_larger ? *larger_ : *smaller_, begin, i);
  });
}

}  // namespace backflow::kernels
