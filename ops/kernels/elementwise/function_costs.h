#pragma once

#include <backflow/ops/kernels/elementwise/blocked_loop.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>

// What functions cost, about, for the cut of loops: it need not be exact, and bits do not depend on it.
namespace backflow::kernels {

namespace function_costs {
using namespace functions;  // NOLINT(google-build-using-namespace): their names, one after the other

/// Series and quotients of series: 0.1 for exp, 0.6 for gelu.
using SeriesFunctions = List<Sigmoid, Elu, Gelu, GeluTanh, Silu, Mish, Softplus, LogSigmoid, Exp, Expm1, Exp2, Log,
                             Log1p, Log2, Log10, Logit, Erf, Erfc, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh, Sin, Cos, Tan,
                             Asin, Acos, Atan, EluBackward, GeluBackward, GeluTanhBackward, SiluBackward, MishBackward,
                             SoftplusBackward, LogSigmoidBackward, Glu, Xlogy, Atan2, GluBackward>;
/// Divisions of integers, one by one.
using DivisionFunctions = List<FloorDivide, TruncDivide, Fmod, Remainder>;
using PowerFunctions = List<Pow, PowBackward, PowBackward1>;

/// Nanoseconds of one element, of float32 with vectors of 512 bits on one thread (EPYC, 2026-11-30), without its way
/// from and to memory.
template <class F>
constexpr double nanoseconds_of() {
  return SeriesFunctions::kHas<F>     ? 0.4
         : DivisionFunctions::kHas<F> ? 2
         : PowerFunctions::kHas<F>    ? 8
                                      : detail::kSimpleNanoseconds;
}

template <class... Fs>
double nanoseconds_in(List<Fs...>, std::size_t index) {
  static constexpr double kTable[] = {nanoseconds_of<Fs>()...};
  return kTable[index];
}
}  // namespace function_costs

inline double nanoseconds_of(Unary f) { return function_costs::nanoseconds_in(functions::UnaryFunctions{}, f.index()); }
inline double nanoseconds_of(Binary f) {
  return function_costs::nanoseconds_in(functions::BinaryFunctions{}, f.index());
}
inline double nanoseconds_of(Ternary f) {
  return function_costs::nanoseconds_in(functions::TernaryFunctions{}, f.index());
}

}  // namespace backflow::kernels
