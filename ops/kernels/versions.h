#pragma once

#include <string>

namespace backflow::kernels {

/// The version of oneDNN that runs, as "2.6.3".
std::string onednn_version();
/// The instruction set that oneDNN uses here, as "avx512_core_bf16".
std::string onednn_isa();

}  // namespace backflow::kernels
