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

// The form of a function F is `form(F, d, operands...)`, or `form(F, d, params, operands...)`.
#define BACKFLOW_VECTOR_FORMS
#include <backflow/ops/kernels/elementwise/functions/functions.h>
#undef BACKFLOW_VECTOR_FORMS

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

/// The form of F for loops, which always have parameters.
template <class F>
struct Call {
  template <class D, class... V>
  static HWY_INLINE auto of(D d, [[maybe_unused]] const hn::TFromD<D>* params, V... operands) {
    if constexpr (requires { form(F{}, d, params, operands...); }) {
      return form(F{}, d, params, operands...);
    } else {
      return form(F{}, d, operands...);
    }
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
