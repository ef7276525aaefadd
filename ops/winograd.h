#pragma once

namespace backflow {

/// Whether float32 convolutions with kernels of 3 x 3 and a stride of 1 may use Winograd's minimal filtering (Lavin and
/// Gray: "Fast algorithms for convolutional neural networks", CVPR 2016) where oneDNN has it and it is faster: twice
/// for 64 and 128 channels. Off at first, since rounding errors are about ten times as large: up to 2e-5 of the root
/// mean square of a result or of the gradient of an input, 1e-4 of that of the gradient of weights. oneDNN 3 has none:
/// then nothing changes. Must not be changed while anything computes, and is the same for the whole process.
bool winograd_is_on();
void set_winograd(bool on);

}  // namespace backflow
