#include <backflow/ops/kernels/losses/loss_loops.h>

#include <array>
#include <utility>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/losses/loss_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/row_loops.h>
#include <backflow/ops/kernels/elementwise/vector_sigmoid.h>

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

/// factor v, where 0 times infinity is 0.
template <class D, class V>
HWY_INLINE V weighted(D d, V factor, V v) {
  return hn::Mul(factor, hn::IfThenElse(hn::Eq(factor, hn::Zero(d)), finite(d, v), v));
}

/// t log(1 + e^-x) + u log(1 + e^x) with weights of the two classes.
template <class D, class V>
HWY_INLINE V logits_of(D d, V x, V t, V u) {
  const V zero = hn::Zero(d);
  const V small = log1p_exp(d, hn::Neg(hn::Abs(x)));
  const V of_one = weighted(d, t, hn::Add(hn::Max(hn::Neg(x), zero), small));
  const V y = hn::Add(of_one, weighted(d, u, hn::Add(hn::Max(x, zero), small)));
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// Cross-entropy's slope (x - t) / (x (1 - x)), with x and 1 - x of at least 1e-12 where their product is less.
template <class D, class V>
HWY_INLINE V probability_slope(D d, V x, V t) {
  const V one = number(d, 1);
  const V least = number(d, 1e-12);
  const V rest = hn::Sub(one, x);
  const V variance = hn::Mul(rest, x);
  const V slope = hn::Div(hn::Sub(x, t), hn::Max(variance, least));
  const auto is_small = hn::Lt(variance, least);
  if (hn::AllFalse(d, is_small)) {
    return slope;
  }
  const V at_end = hn::Sub(hn::Div(hn::Sub(one, t), hn::Max(rest, least)), hn::Div(t, hn::Max(x, least)));
  return hn::IfThenElse(is_small, at_end, slope);
}

/// Stirling's approximation of log(t!) where t > 1, else 0; NaN stays.
template <class D, class V>
HWY_INLINE V stirling(D d, V t) {
  const V y = hn::Sub(hn::Mul(t, log_of(d, t)), t);
  const V sum = hn::MulAdd(log_of(d, hn::Mul(t, number(d, 6.283185307179586))), number(d, 0.5), y);
  return hn::IfThenZeroElse(hn::Le(t, number(d, 1)), sum);
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
        const V inner = hn::Mul(hn::Mul(half, size), hn::Div(size, bound));  // the square may overflow
        return hn::IfThenElse(hn::Lt(size, bound), inner, hn::Sub(size, hn::Mul(half, bound)));
      } else {
        static_assert(kF == Loss::Huber);
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
      // (1 - t) x + log(1 + e^-x), or -t x + log(1 + e^x): one of infinite terms with opposite signs would be NaN.
      const V factor = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Neg(t), hn::Sub(number(d, 1), t));
      const V y = hn::Add(weighted(d, factor, x), log1p_exp(d, hn::Neg(hn::Abs(x))));
      return hn::IfThenElse(hn::IsNaN(x), x, y);
    } else if constexpr (kF == Loss::Divergence) {
      const V y = hn::Sub(hn::Mul(t, log_of(d, t)), hn::Mul(t, x));
      return hn::IfThenZeroElse(hn::And(hn::Eq(t, hn::Zero(d)), hn::Eq(x, x)), y);  // NaN stays
    } else if constexpr (kF == Loss::LogDivergence) {
      const V p = exp_of(d, t);
      return hn::Mul(p, hn::IfThenElse(hn::Eq(p, hn::Zero(d)), finite(d, x), hn::Sub(t, x)));
    } else if constexpr (kF == Loss::Counts || kF == Loss::LogCounts) {
      V y;
      if constexpr (kF == Loss::Counts) {
        const V log_x = hn::Min(number(d, 1e4), log_of(d, hn::Add(x, hn::Set(d, params[0]))));  // where x is infinite
        y = hn::Sub(x, weighted(d, t, log_x));
      } else {
        y = hn::Sub(exp_of(d, x), weighted(d, t, hn::Min(number(d, 1e4), x)));  // where e^x is infinite
      }
      return params[2] == 0 ? y : hn::Add(y, stirling(d, t));
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
        return hn::Mul(difference, hn::Add(g, g));  // twice the difference may overflow
      } else if constexpr (kF == Loss::Absolute) {
        return hn::Mul(sign_of(d, difference), g);
      } else if constexpr (kF == Loss::Smooth) {
        const auto is_inner = hn::Lt(hn::Abs(difference), bound);
        return hn::Mul(hn::IfThenElse(is_inner, hn::Div(difference, bound), sign_of(d, difference)), g);
      } else {
        static_assert(kF == Loss::Huber);
        const V outer = hn::Mul(sign_of(d, difference), bound);
        return hn::Mul(hn::IfThenElse(hn::Le(hn::Abs(difference), bound), difference, outer), g);
      }
    } else if constexpr (kF == Loss::CrossEntropy) {
      return hn::Mul(g, probability_slope(d, x, t));
    } else if constexpr (kF == Loss::Logits) {
      return hn::Mul(g, hn::Sub(sigmoid_of(d, x), t));
    } else if constexpr (kF == Loss::Divergence) {
      return hn::Neg(hn::Mul(g, t));
    } else if constexpr (kF == Loss::LogDivergence) {
      return hn::Neg(hn::Mul(g, exp_of(d, t)));
    } else if constexpr (kF == Loss::Counts) {
      const auto none = hn::And(hn::Eq(t, hn::Zero(d)), hn::Eq(x, x));
      const V share = hn::IfThenZeroElse(none, hn::Div(t, hn::Add(x, hn::Set(d, params[0]))));
      return hn::Mul(g, hn::Sub(number(d, 1), share));
    } else if constexpr (kF == Loss::LogCounts) {
      return hn::Mul(g, hn::Sub(exp_of(d, x), t));
    } else {
      static_assert(kF == Loss::SoftMargin);
      return hn::Neg(hn::Mul(g, times_sigmoid(d, t, hn::Neg(hn::Mul(t, x)))));
    }
  }
};

/// Loss::Logits of x and t, with a weight of the positive class.
struct WeightedLogits {
  template <class D, class V>
  static HWY_INLINE V of(D d, const hn::TFromD<D>*, V x, V t, V positive) {
    return logits_of(d, x, hn::Mul(positive, t), hn::Sub(number(d, 1), t));
  }
};

/// The gradient of a mean or sum is one number for all elements.
template <class F, class T>
void gradient_row(Operand<T> dy, Operand<T> x, Operand<T> t, T* dx, std::size_t n, const T* params) {
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
TernaryLoop<float> float_weighted_logits_loop() { return ternary_row<WeightedLogits, float>; }
TernaryLoop<double> double_weighted_logits_loop() { return ternary_row<WeightedLogits, double>; }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_loss_loop);
HWY_EXPORT(double_loss_loop);
HWY_EXPORT(float_gradient_loop);
HWY_EXPORT(double_gradient_loop);
HWY_EXPORT(float_weighted_logits_loop);
HWY_EXPORT(double_weighted_logits_loop);

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

template <>
TernaryLoop<float> weighted_logits_loop<float>() {
  return HWY_DYNAMIC_DISPATCH(float_weighted_logits_loop)();
}

template <>
TernaryLoop<double> weighted_logits_loop<double>() {
  return HWY_DYNAMIC_DISPATCH(double_weighted_logits_loop)();
}

}  // namespace backflow::kernels
#endif
