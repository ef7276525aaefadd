#include <backflow/ops/kernels/elementwise/loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/ternary_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/functions/vector_forms.h>
#include <backflow/ops/kernels/elementwise/row_loops.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <class T, class... Fs>
TernaryLoop<T> loop_of(functions::List<Fs...>, Ternary f) {
  static constexpr TernaryLoop<T> kTable[] = {ternary_row<Call<Fs>, T>...};
  return kTable[f.index()];
}

TernaryLoop<float> float_ternary_loop(Ternary f) { return loop_of<float>(functions::TernaryFunctions{}, f); }
TernaryLoop<double> double_ternary_loop(Ternary f) { return loop_of<double>(functions::TernaryFunctions{}, f); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_ternary_loop);
HWY_EXPORT(double_ternary_loop);

template <>
TernaryLoop<float> ternary_loop<float>(Ternary f) {
  return HWY_DYNAMIC_DISPATCH(float_ternary_loop)(f);
}

template <>
TernaryLoop<double> ternary_loop<double>(Ternary f) {
  return HWY_DYNAMIC_DISPATCH(double_ternary_loop)(f);
}

}  // namespace backflow::kernels
#endif
