// The bits of integers, and truth values.
#ifndef BACKFLOW_FUNCTIONS_BITS
#define BACKFLOW_FUNCTIONS_BITS

#include <backflow/ops/kernels/elementwise/functions/list.h>

namespace backflow::kernels::functions {

struct BitAnd : OfIntegers {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a & b);
  }
};

struct BitOr : OfIntegers {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a | b);
  }
};

struct BitXor : OfIntegers {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};

using BinaryBits = List<BitAnd, BitOr, BitXor>;

}  // namespace backflow::kernels::functions
#endif
