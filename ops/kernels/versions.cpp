#include <backflow/ops/kernels/versions.h>

#include <backflow/ops/kernels/onednn.h>
#include <backflow/runtime/base/error.h>

namespace backflow::kernels {

std::string onednn_version() {
  const dnnl_version_t& v = *dnnl_version();
  return to_text(v.major, '.', v.minor, '.', v.patch);
}

std::string onednn_isa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return to_text("isa ", static_cast<int>(dnnl::get_effective_cpu_isa()));
  }
}

}  // namespace backflow::kernels
