#include <backflow/ops/kernels/gemm.h>
#include <backflow/ops/kernels/onednn_internal.h>

namespace backflow::kernels {

void gemm_serial(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a, Matrix<float> b, float* c,
                 std::int64_t ldc, bool accumulate) {
  const SingleOpenMpThread single;
  const dnnl_status_t status = dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, k, 1.0F, a.data,
                                          a.ld, b.data, b.ld, accumulate ? 1.0F : 0.0F, c, ldc);
  check(status == dnnl_success, "matmul: oneDNN's sgemm failed with status ", static_cast<int>(status), " (f32[", m,
        ", ", k, "] by f32[", k, ", ", n, "])");
}

}  // namespace backflow::kernels
