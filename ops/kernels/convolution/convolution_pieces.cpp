#include <backflow/ops/kernels/convolution/convolution_pieces.h>

#include <algorithm>
#include <utility>

#include <backflow/ops/kernels/kernel_counts.h>
#include <backflow/ops/winograd.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {

std::int64_t batch_pieces(const ConvolutionGeometry& g) {
  const auto by_work = static_cast<std::int64_t>(g.cost(kFloat32).flop / kPieceFlop);
  // Winograd's algorithm transforms the weights anew for each piece.
  const std::int64_t by_samples = winograd_is_on() ? 2 : std::max<std::int64_t>(g.x[0] / kPieceSamples, 2);
  return std::clamp<std::int64_t>(std::min({by_work, by_samples, kMaxPieces}), 1, g.x[0]);
}

std::string key_of_cut(std::string key) {
  // The most pieces of any free cut.
  return std::move(key) + std::to_string(free_pieces(std::int64_t{1} << 20, 1e15));
}

void execute(const ConvolutionPrimitive& p, Arguments arguments) {
  if (p.is_reference) {
    count_reference_call();
  }
  run_primitive(p.primitive, p.scratchpad, std::move(arguments));
}

}  // namespace backflow::kernels
