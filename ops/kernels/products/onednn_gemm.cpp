#include <backflow/ops/kernels/onednn.h>
#include <backflow/ops/kernels/products/gemm.h>

namespace backflow::kernels {

void gemm_serial(const Product<float>& p) {
  if (p.m == 1 || p.n == 1) {
    gemm_vector(p);
    return;
  }
  if (p.m * p.n * p.k <= kSmallProduct) {
    gemm_small(p);
    return;
  }
  const SingleOpenMpThread single;
  const dnnl_status_t status =
      dnnl_sgemm(p.a.transposed ? 'T' : 'N', p.b.transposed ? 'T' : 'N', p.m, p.n, p.k, p.alpha, p.a.data, p.a.ld,
                 p.b.data, p.b.ld, p.accumulate ? 1.0F : 0.0F, p.c, p.ldc);
  check(status == dnnl_success, "matmul: oneDNN's sgemm failed with status ", static_cast<int>(status), " (f32[", p.m,
        ", ", p.k, "] by f32[", p.k, ", ", p.n, "])");
}

}  // namespace backflow::kernels
