#include <backflow/ops/kernels/loss_loops.h>

#include <array>
#include <utility>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/loss_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/activation_math_internal.h>
#include <backflow/ops/kernels/row_loops_internal.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The larger of a logarithm and -100; NaN stays.
template <class D, class V>
HWY_INLINE V at_least_minus_100(D d, V x) {
  return hn::IfThenElse(hn::Lt(x, number(d, -100)), number(d, -100), x);
}

/// -1, 0, 1 or NaN.
template <class D, class V>
HWY_INLINE V sign_of(D d, V x) {
  const V zero = hn::Zero(d);
  return hn::IfThenElse(hn::Gt(x, zero), number(d, 1), hn::IfThenElse(hn::Lt(x, zero), number(d, -1), x));
}

/// log(1 + e^x), without overflow.
template <class D, class V>
HWY_INLINE V softplus_of(D d, V x) {
  const V y = hn::Add(hn::Max(x, hn::Zero(d)), log1p_exp(d, hn::Neg(hn::Abs(x))));
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

template <Loss kF>
struct Value {
  template <class D, class V>
  static HWY_INLINE V of(D d, [[maybe_unused]] const hn::TFromD<D>* params, V x, V t) {
    const V half = number(d, 0.5);
    if constexpr (kF <= Loss::Huber) {
      const V difference = hn::Sub(x, t);
      const V size = hn::Abs(difference);
      const V bound = hn::Set(d, params[0]);
      if constexpr (kF == Loss::Squared) {
        return hn::Mul(difference, difference);
      } else if constexpr (kF == Loss::Absolute) {
        return size;
      } else if constexpr (kF == Loss::Smooth) {
        const V inner = hn::Div(hn::Mul(half, hn::Mul(size, size)), bound);
        return hn::IfThenElse(hn::Lt(size, bound), inner, hn::Sub(size, hn::Mul(half, bound)));
      } else {
        const V outer = hn::Mul(bound, hn::Sub(size, hn::Mul(half, bound)));
        return hn::IfThenElse(hn::Le(size, bound), hn::Mul(half, hn::Mul(size, size)), outer);
      }
    } else if constexpr (kF == Loss::CrossEntropy) {
      const V one = number(d, 1);
      const V of_one = at_least_minus_100(d, log_of(d, x));
      const V of_zero = at_least_minus_100(d, log1p_of(d, hn::Neg(x)));
      const V y = hn::Sub(hn::Mul(hn::Sub(t, one), of_zero), hn::Mul(t, of_one));
      const auto inside = hn::And(hn::Ge(x, hn::Zero(d)), hn::Le(x, one));
      return hn::IfThenElse(inside, y, nan(d));
    } else if constexpr (kF == Loss::Logits) {
      return hn::Add(hn::Mul(hn::Sub(number(d, 1), t), x), softplus_of(d, hn::Neg(x)));
    } else if constexpr (kF == Loss::Divergence) {
      const V entropy = hn::IfThenElse(hn::Eq(t, hn::Zero(d)), t, hn::Mul(t, log_of(d, t)));
      return hn::Sub(entropy, hn::Mul(t, x));
    } else if constexpr (kF == Loss::LogDivergence) {
      return hn::Mul(exp_of(d, t), hn::Sub(t, x));
    } else {
      static_assert(kF == Loss::SoftMargin);
      return softplus_of(d, hn::Neg(hn::Mul(t, x)));
    }
  }
};

template <Loss kF>
struct Gradient {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>* params, V dy, V x, V t) {
    const V g = hn::Mul(dy, hn::Set(d, params[1]));
    if constexpr (kF <= Loss::Huber) {
      const V difference = hn::Sub(x, t);
      const V bound = hn::Set(d, params[0]);
      if constexpr (kF == Loss::Squared) {
        return hn::Mul(hn::Add(difference, difference), g);
      } else if constexpr (kF == Loss::Absolute) {
        return hn::Mul(sign_of(d, difference), g);
      } else if constexpr (kF == Loss::Smooth) {
        const auto is_inner = hn::Lt(hn::Abs(difference), bound);
        return hn::Mul(hn::IfThenElse(is_inner, hn::Div(difference, bound), sign_of(d, difference)), g);
      } else {
        const V outer = hn::Mul(sign_of(d, difference), bound);
        return hn::Mul(hn::IfThenElse(hn::Le(hn::Abs(difference), bound), difference, outer), g);
      }
    } else if constexpr (kF == Loss::CrossEntropy) {
      const V variance = hn::Max(hn::Mul(hn::Sub(number(d, 1), x), x), number(d, 1e-12));
      return hn::Mul(g, hn::Div(hn::Sub(x, t), variance));
    } else if constexpr (kF == Loss::Logits) {
      return hn::Mul(g, hn::Sub(sigmoid_of(d, x), t));
    } else if constexpr (kF == Loss::Divergence) {
      return hn::Neg(hn::Mul(g, t));
    } else if constexpr (kF == Loss::LogDivergence) {
      return hn::Neg(hn::Mul(g, exp_of(d, t)));
    } else {
      static_assert(kF == Loss::SoftMargin);
      return hn::Neg(hn::Mul(g, times_sigmoid(d, t, hn::Neg(hn::Mul(t, x)))));
    }
  }
};

/// The gradient of a mean or sum is one number for all elements.
template <class F, class T>
void gradient_row(Run<T> dy, Run<T> x, Run<T> t, T* dx, std::size_t n, const T* params) {
  if (dy.stride == Stride::Zero && x.stride == Stride::One && t.stride == Stride::One) {
    row<F, Stride::Zero, Stride::One, Stride::One>(dx, n, params, dy.data, x.data, t.data);
  } else {
    ternary_row<F>(dy, x, t, dx, n, params);
  }
}

template <class T>
BinaryLoop<T> loss_loop_of(Loss f) {
  static constexpr auto kTable = []<std::size_t... kFs>(std::index_sequence<kFs...>) {
    return std::array<BinaryLoop<T>, sizeof...(kFs)>{binary_row<Value<static_cast<Loss>(kFs)>, T>...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(Loss::Count)>());
  return kTable[static_cast<std::size_t>(f)];
}

template <class T>
TernaryLoop<T> gradient_loop_of(Loss f) {
  static constexpr auto kTable = []<std::size_t... kFs>(std::index_sequence<kFs...>) {
    return std::array<TernaryLoop<T>, sizeof...(kFs)>{gradient_row<Gradient<static_cast<Loss>(kFs)>, T>...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(Loss::Count)>());
  return kTable[static_cast<std::size_t>(f)];
}

BinaryLoop<float> float_loss_loop(Loss f) { return loss_loop_of<float>(f); }
BinaryLoop<double> double_loss_loop(Loss f) { return loss_loop_of<double>(f); }
TernaryLoop<float> float_gradient_loop(Loss f) { return gradient_loop_of<float>(f); }
TernaryLoop<double> double_gradient_loop(Loss f) { return gradient_loop_of<double>(f); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_loss_loop);
HWY_EXPORT(double_loss_loop);
HWY_EXPORT(float_gradient_loop);
HWY_EXPORT(double_gradient_loop);

template <>
BinaryLoop<float> loss_loop<float>(Loss f) {
  return HWY_DYNAMIC_DISPATCH(float_loss_loop)(f);
}

template <>
BinaryLoop<double> loss_loop<double>(Loss f) {
  return HWY_DYNAMIC_DISPATCH(double_loss_loop)(f);
}

template <>
TernaryLoop<float> loss_gradient_loop<float>(Loss f) {
  return HWY_DYNAMIC_DISPATCH(float_gradient_loop)(f);
}

template <>
TernaryLoop<double> loss_gradient_loop<double>(Loss f) {
  return HWY_DYNAMIC_DISPATCH(double_gradient_loop)(f);
}

}  // namespace backflow::kernels
#endif
