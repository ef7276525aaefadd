// The angle of two coordinates.
#ifndef BACKFLOW_FUNCTIONS_COORDINATES
#define BACKFLOW_FUNCTIONS_COORDINATES

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct Atan2 : OfReals {};

using BinaryCoordinates = List<Atan2>;

}  // namespace backflow::kernels::functions
#endif

#ifdef BACKFLOW_VECTOR_FORMS
HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <>
struct VectorForm<functions::Atan2> {
  template <class D, class V>
  static HWY_INLINE V of(D d, V a, V b) {
    return by_lane(d, a, b, [](auto x, auto w) { return std::atan2(x, w); });
  }
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
