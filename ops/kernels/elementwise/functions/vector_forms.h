// The functions' forms for vectors; compiled once for each instruction set.
#if defined(BACKFLOW_VECTOR_FORMS_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_VECTOR_FORMS_TOGGLE
#undef BACKFLOW_VECTOR_FORMS_TOGGLE
#else
#define BACKFLOW_VECTOR_FORMS_TOGGLE
#endif

#include <cmath>
#include <limits>

#include <backflow/ops/kernels/elementwise/vector_erf.h>
#include <backflow/ops/kernels/elementwise/vector_functions.h>
#include <backflow/ops/kernels/elementwise/vector_sigmoid.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The form of a function for vectors: a static function `of(d, operands...)`, or `of(d, params, operands...)`.
template <class F>
struct VectorForm;

/// The same for loops, which always have parameters.
template <class F>
struct Call {
  template <class D, class... V>
  static HWY_INLINE auto of(D d, [[maybe_unused]] const hn::TFromD<D>* params, V... operands) {
    if constexpr (requires { VectorForm<F>::of(d, params, operands...); }) {
      return VectorForm<F>::of(d, params, operands...);
    } else {
      return VectorForm<F>::of(d, operands...);
    }
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#define BACKFLOW_VECTOR_FORMS
#include <backflow/ops/kernels/elementwise/functions/functions.h>
#undef BACKFLOW_VECTOR_FORMS
#endif
