#include <backflow/ops/kernels/elementwise/loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/binary_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/functions/vector_forms.h>
#include <backflow/ops/kernels/elementwise/row_loops.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <class F, class T>
constexpr BinaryLoop<T> row_of() {
  if constexpr (F::template kTakes<T>) {
    return binary_row<Call<F>, T>;
  } else {
    return nullptr;
  }
}

template <class T, class... Fs>
BinaryLoop<T> loop_of(functions::List<Fs...>, Binary f) {
  static constexpr BinaryLoop<T> kTable[] = {row_of<Fs, T>()...};
  return kTable[f.index()];
}

BinaryLoop<float> float_binary_loop(Binary f) { return loop_of<float>(functions::BinaryFunctions{}, f); }
BinaryLoop<double> double_binary_loop(Binary f) { return loop_of<double>(functions::BinaryFunctions{}, f); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_binary_loop);
HWY_EXPORT(double_binary_loop);

template <>
BinaryLoop<float> binary_loop<float>(Binary f) {
  return HWY_DYNAMIC_DISPATCH(float_binary_loop)(f);
}

template <>
BinaryLoop<double> binary_loop<double>(Binary f) {
  return HWY_DYNAMIC_DISPATCH(double_binary_loop)(f);
}

}  // namespace backflow::kernels
#endif
