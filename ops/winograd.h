#pragma once

namespace backflow {

/// Whether float32 convolutions with 3x3 kernels and a stride of 1 may use Winograd's algorithm where oneDNN has it and
/// it is faster: twice as fast for 64 and 128 channels. Lavin and Gray: "Fast algorithms for convolutional neural
/// networks", CVPR 2016.
///
/// Off at first, since rounding errors are about ten times as large: up to 2e-5 of the root mean square of a result or
/// of the gradient of an input, 1e-4 of that of the gradient of weights. With oneDNN 3, which has no Winograd, nothing
/// changes. A setting of the process; must not be changed while anything computes.
bool winograd_is_on();
void set_winograd(bool on);

}  // namespace backflow
