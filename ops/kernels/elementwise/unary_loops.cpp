#include <cstddef>

#include <backflow/ops/kernels/elementwise/loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/unary_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/functions/vector_forms.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class F, class T>
void row(const T* x, T* y, std::size_t n, const T* params) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(Call<F>::of(d, params, hn::LoadU(d, x + i)), d, y + i);
  }
  if (i < n) {
    store_part(Call<F>::of(d, params, load_part(d, x + i, n - i)), d, y + i, n - i);
  }
}

template <class F, class T>
constexpr UnaryLoop<T> row_of() {
  if constexpr (F::template kTakes<T>) {
    return row<F, T>;
  } else {
    return nullptr;
  }
}

template <class T, class... Fs>
UnaryLoop<T> loop_of(functions::List<Fs...>, Unary f) {
  static constexpr UnaryLoop<T> kTable[] = {row_of<Fs, T>()...};
  return kTable[f.index()];
}

UnaryLoop<float> float_unary_loop(Unary f) { return loop_of<float>(functions::UnaryFunctions{}, f); }
UnaryLoop<double> double_unary_loop(Unary f) { return loop_of<double>(functions::UnaryFunctions{}, f); }
const char* target() { return hwy::TargetName(HWY_TARGET); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_unary_loop);
HWY_EXPORT(double_unary_loop);
HWY_EXPORT(target);

template <>
UnaryLoop<float> unary_loop<float>(Unary f) {
  return HWY_DYNAMIC_DISPATCH(float_unary_loop)(f);
}

template <>
UnaryLoop<double> unary_loop<double>(Unary f) {
  return HWY_DYNAMIC_DISPATCH(double_unary_loop)(f);
}

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(target)(); }

}  // namespace backflow::kernels
#endif
