// Conversions between dtypes: plain loops, which the compiler turns into vectors for each instruction set.
#include <array>
#include <cstddef>
#include <utility>

#include <backflow/ops/kernels/layout/copy_loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/convert_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <class To, class From>
void convert(const void* x, void* y, std::size_t n) {
  const From* from = static_cast<const From*>(x);
  To* to = static_cast<To*>(y);
  for (std::size_t i = 0; i < n; ++i) {
    to[i] = static_cast<To>(from[i]);
  }
}

ConvertLoop loop_of(ScalarType to, ScalarType from) {
  return dispatch(to, [&](auto to_zero) {
    return dispatch(from,
                    [](auto from_zero) -> ConvertLoop { return convert<decltype(to_zero), decltype(from_zero)>; });
  });
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(loop_of);

ConvertLoop convert_loop(ScalarType to, ScalarType from) { return HWY_DYNAMIC_DISPATCH(loop_of)(to, from); }

}  // namespace backflow::kernels
#endif
