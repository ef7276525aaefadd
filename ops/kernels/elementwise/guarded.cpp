#include <backflow/ops/kernels/elementwise/guarded.h>

#include <backflow/ops/kernels/elementwise/blocked_loop.h>
#include <backflow/ops/kernels/elementwise/guarded_loops.h>

namespace backflow::kernels {
namespace {

using namespace detail;

/// Calls f(zero of the tensors' element type, zero of the type that is computed in).
template <class F>
void dispatch_wide(ScalarType dtype, const F& f) {
  dtype == kFloat64 ? f(double{}, double{}) : dtype == kFloat32 ? f(float{}, float{}) : f(BFloat16{}, float{});
}

}  // namespace

void guarded(Guarded f, const Tensor& y, const Tensor& a, const Tensor& b) {
  if (y.numel() == 0) {
    return;
  }
  dispatch_wide(y.scalar_type(), [&]<class T, class C>(T, C) {
    const auto loop = guarded_loop<C>(f);
    run_blocked<T, T, T>(y, {&a, &b},
                         [&](C* out, std::size_t n, Run<C> of_a, Run<C> of_b) { loop(of_a, of_b, out, n, nullptr); });
  });
}

void guarded(GuardedOfTwo f, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c) {
  if (y.numel() == 0) {
    return;
  }
  dispatch_wide(y.scalar_type(), [&]<class T, class C>(T, C) {
    const auto loop = guarded_loop<C>(f);
    run_blocked<T, T, T, T>(y, {&a, &b, &c}, [&](C* out, std::size_t n, Run<C> of_a, Run<C> of_b, Run<C> of_c) {
      loop(of_a, of_b, of_c, out, n, nullptr);
    });
  });
}

}  // namespace backflow::kernels
