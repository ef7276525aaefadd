// Convolutions by oneDNN.
#include <backflow/ops/kernels/convolution/convolution_pieces.h>
#include <backflow/ops/kernels/convolution/convolution_units.h>
#include <backflow/ops/kernels/layout/dense.h>

namespace backflow::kernels {
namespace {

constexpr double kTinyFlop = 20e3;  // below, a primitive's start costs more than the computation

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
  return ConvolutionUnits::choose(Direction::Forward, g, {.x = wanted_block(x)}, bias.defined())->compute(x, w, bias);
}

Tensor onednn_convolution_input_gradient(const ConvolutionGeometry& g, const Tensor& dy, const Tensor& w,
                                         std::int64_t block) {
  const WantedBlocks wanted{.x = block, .y = wanted_block(dy)};
  return ConvolutionUnits::choose(Direction::BackwardData, g, wanted, false)->compute(dy, w, {});
}

}  // namespace backflow::kernels
