// Division by the number of elements of a window; compiled once for each instruction set.
#if defined(BACKFLOW_POOLING_DIVISOR_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_POOLING_DIVISOR_TOGGLE
#undef BACKFLOW_POOLING_DIVISOR_TOGGLE
#else
#define BACKFLOW_POOLING_DIVISOR_TOGGLE
#endif

#include <cstdint>

#include <backflow/ops/kernels/pooling/pooling_windows.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Division by the number of elements of a window: a multiplication by the inverse, and a correction that makes it the
/// rounded quotient.
template <class T>
class Divisor {
 public:
  HWY_INLINE void set(const PoolTables& p, const WindowPlace& at) {
    const std::int64_t count = p.divisor != 0 ? p.divisor : at.counted();
    if (count != count_) {
      count_ = count;
      value_ = static_cast<T>(count);
      inverse_ = T{1} / value_;
      is_exact_ = (count & (count - 1)) == 0;
    }
  }
  template <class D>
  HWY_INLINE hn::Vec<D> divide(D d, hn::Vec<D> sum) const {
    const auto inverse = hn::Set(d, inverse_);
    const auto near = hn::Mul(sum, inverse);
    if (is_exact_) {
      return near;
    }
    const auto rest = hn::NegMulAdd(near, hn::Set(d, value_), sum);
    const auto exact = hn::MulAdd(rest, inverse, near);
    return hn::IfThenElse(hn::IsNaN(exact), near, exact);  // of an infinite sum the rest is NaN
  }

 private:
  std::int64_t count_ = 1;
  T value_ = 1;
  T inverse_ = 1;
  bool is_exact_ = true;
};

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
