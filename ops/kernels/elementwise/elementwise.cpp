#include <backflow/ops/kernels/elementwise/elementwise.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include <backflow/ops/kernels/elementwise/blocked_loop.h>
#include <backflow/ops/kernels/elementwise/chain.h>
#include <backflow/ops/kernels/elementwise/function_costs.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow::kernels {
namespace {

using namespace detail;
using backflow::detail::beyond;
using backflow::detail::wrapped;

/// The numbers of `Params` in the type that is computed with.
template <class C>
std::array<C, 3> numbers(const Params& params) {
  return {static_cast<C>(params[0]), static_cast<C>(params[1]), static_cast<C>(params[2])};
}

/// Calls f<T, C>() for the type T of this dtype and the one that it is computed in, unless y is empty. float32 is
/// inlined into the caller: in `binary` that saves 25 instructions of the 1,160 of an addition of 8 elements.
template <class F>
[[gnu::always_inline]] inline void with_types(const Tensor& y, ScalarType dtype, const F& f) {
  if (y.numel() == 0) {
    return;
  }
  const auto call = [&](auto zero) { f.template operator()<decltype(zero), ComputeType<decltype(zero)>>(); };
  if (dtype == kFloat32) [[likely]] {
    call(float{});
  } else {
    dispatch(dtype, call);
  }
}

template <class Loop>
Loop checked(Loop loop) {
  assert(loop != nullptr);  // callers ask has()
  return loop;
}

/// Runs f on pieces of y and its operands, or puts it off; so f captures by value.
template <class Out, class... In, class F>
void run(const Tensor& y, const std::array<const Tensor*, sizeof...(In)>& operands, double nanoseconds, const F& f) {
  if (run_small<Out, In...>(y, operands, f)) {
    return;
  }
  if constexpr (!needs_conversion<Out> && !(needs_conversion<In> || ...)) {
    if (defer<Out, In...>(y, operands, nanoseconds, f)) {
      return;
    }
  }
  run_pieces<Out, In...>(y, operands, nanoseconds, f, std::index_sequence_for<In...>());
}

/// Runs a loop of one operand; one element for all is computed once.
template <class C>
void run_unary(UnaryLoop<C> loop, C* out, std::size_t n, Operand<C> in, const C* params) {
  if (in.stride == Stride::One || n == 1) {
    loop(in.data, out, n, params);
  } else {
    loop(in.data, out, 1, params);
    std::fill_n(out + 1, n - 1, out[0]);
  }
}

/// y = f(a, number) or f(number, a).
template <bool kNumberFirst>
void binary_with_number(Binary f, const Tensor& y, const Tensor& x, const Scalar& value, const Params& params) {
  with_types(y, y.scalar_type(), [&]<class T, class C>() {
    const auto loop = checked(binary_loop<C>(f));
    const C number = wrapped<C>(value);
    const auto more = numbers<C>(params);
    run<T, T>(y, {&x}, nanoseconds_of(f), [loop, number, more](C* out, std::size_t n, Operand<C> in) {
      const Operand<C> same = {&number, Stride::Zero};
      kNumberFirst ? loop(same, in, out, n, more.data()) : loop(in, same, out, n, more.data());
    });
  });
}

/// The same relation to a number that a T holds, as a C; a fraction is rounded to a T.
template <class T, class C>
std::pair<Comparison, C> held(Comparison f, const Scalar& number) {
  using Limits = std::numeric_limits<C>;
  if (is_logical(f)) {
    return {f, static_cast<C>(number.to<bool>())};  // 1e-300 is true, as a float32 it would not be
  }
  const int side = beyond<T>(number);
  if (side == 0) [[likely]] {
    return {f, static_cast<C>(wrapped<T>(number))};
  }
  if (f == functions::Equal{} || f == functions::NotEqual{}) {
    if constexpr (Limits::has_quiet_NaN) {
      return {f, Limits::quiet_NaN()};
    } else {
      return {f == functions::Equal{} ? Comparison(functions::Less{}) : functions::GreaterEqual{}, Limits::lowest()};
    }
  }
  const bool is_less = f == functions::Less{} || f == functions::LessEqual{};
  if (side > 0) {
    return {is_less ? Comparison(functions::LessEqual{}) : functions::Greater{}, Limits::max()};
  }
  return {is_less ? Comparison(functions::Less{}) : functions::GreaterEqual{}, Limits::lowest()};
}

}  // namespace

bool is_logical(Comparison f) {
  return [&]<class... Fs>(functions::List<Fs...>) {
    static constexpr bool kTable[] = {Fs::kIsLogical...};
    return kTable[f.index()];
  }(functions::Relations{});
}

Comparison reversed(Comparison f) {
  return [&]<class... Fs>(functions::List<Fs...>) {
    static constexpr Comparison kTable[] = {typename Fs::Reversed{}...};
    return kTable[f.index()];
  }(functions::Relations{});
}

bool has(Unary f, ScalarType dtype) {
  return dispatch(dtype, [&](auto zero) { return unary_loop<ComputeType<decltype(zero)>>(f) != nullptr; });
}

bool has(Binary f, ScalarType dtype) {
  return dispatch(dtype, [&](auto zero) { return binary_loop<ComputeType<decltype(zero)>>(f) != nullptr; });
}

void unary(Unary f, const Tensor& y, const Tensor& x, const Params& params) {
  with_types(y, y.scalar_type(), [&]<class T, class C>() {
    const auto loop = checked(unary_loop<C>(f));
    const auto more = numbers<C>(params);
    run<T, T>(y, {&x}, nanoseconds_of(f),
              [loop, more](C* out, std::size_t n, Operand<C> in) { run_unary(loop, out, n, in, more.data()); });
  });
}

void binary(Binary f, const Tensor& y, const Tensor& a, const Tensor& b, const Params& params) {
  with_types(y, y.scalar_type(), [&]<class T, class C>() {
    const auto loop = checked(binary_loop<C>(f));
    const auto more = numbers<C>(params);
    run<T, T, T>(y, {&a, &b}, nanoseconds_of(f),
                 [loop, more](C* out, std::size_t n, Operand<C> x, Operand<C> w) { loop(x, w, out, n, more.data()); });
  });
}

void binary(Binary f, const Tensor& y, const Tensor& a, const Scalar& b, const Params& params) {
  binary_with_number<false>(f, y, a, b, params);
}

void binary(Binary f, const Tensor& y, const Scalar& a, const Tensor& b, const Params& params) {
  binary_with_number<true>(f, y, b, a, params);
}

void add_scaled(Binary f, const Tensor& y, const Tensor& a, const Tensor& b, const Scalar& factor) {
  with_types(y, y.scalar_type(), [&]<class T, class C>() {
    const C number = wrapped<C>(factor);
    const auto add = checked(binary_loop<C>(f));
    const auto multiply = checked(binary_loop<C>(functions::Mul{}));
    run<T, T, T>(y, {&a, &b}, nanoseconds_of(f),
                 [add, multiply, number](C* out, std::size_t n, Operand<C> x, Operand<C> w) {
                   alignas(64) C products[kBlock];
                   for (std::size_t i = 0; i < n; i += kBlock) {
                     const std::size_t m = std::min(n - i, static_cast<std::size_t>(kBlock));
                     multiply(w.from(i), {&number, Stride::Zero}, products, m, nullptr);
                     add(x.from(i), {products, Stride::One}, out + i, m, nullptr);
                   }
                 });
  });
}

void ternary(Ternary f, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c, const Params& params) {
  with_types(y, y.scalar_type(), [&]<class T, class C>() {
    if constexpr (std::is_floating_point_v<C>) {
      const auto loop = ternary_loop<C>(f);
      const auto more = numbers<C>(params);
      run<T, T, T, T>(y, {&a, &b, &c}, nanoseconds_of(f),
                      [loop, more](C* out, std::size_t n, Operand<C> x, Operand<C> w, Operand<C> v) {
                        loop(x, w, v, out, n, more.data());
                      });
    } else {
      assert(false);  // of floating-point numbers alone
    }
  });
}

void compare(Comparison f, const Tensor& y, const Tensor& a, const Tensor& b) {
  with_types(y, a.scalar_type(), [&]<class T, class C>() {
    const auto loop = compare_loop<C>(f);
    run<bool, T, T>(y, {&a, &b}, kSimpleNanoseconds,
                    [loop](bool* out, std::size_t n, Operand<C> x, Operand<C> w) { loop(x, w, out, n); });
  });
}

void compare(Comparison f, const Tensor& y, const Tensor& a, const Scalar& b) {
  with_types(y, a.scalar_type(), [&]<class T, class C>() {
    const std::pair<Comparison, C> relation = held<T, C>(f, b);
    const auto loop = compare_loop<C>(relation.first);
    const C bound = relation.second;
    run<bool, T>(y, {&a}, kSimpleNanoseconds, [loop, bound](bool* out, std::size_t n, Operand<C> x) {
      loop(x, {&bound, Stride::Zero}, out, n);
    });
  });
}

void test(Predicate f, const Tensor& y, const Tensor& x) {
  with_types(y, x.scalar_type(), [&]<class T, class C>() {
    const auto loop = test_loop<C>(f);
    run<bool, T>(y, {&x}, kSimpleNanoseconds, [loop](bool* out, std::size_t n, Operand<C> in) {
      const std::size_t different = in.stride == Stride::One ? n : 1;
      loop(in.data, out, different);
      std::fill_n(out + different, n - different, out[0]);
    });
  });
}

void where(const Tensor& y, const Tensor& condition, const Tensor& a, const Tensor& b) {
  with_types(y, y.scalar_type(), [&]<class T, class C>() {
    const auto loop = where_loop<C>();
    run<T, bool, T, T>(
        y, {&condition, &a, &b}, kSimpleNanoseconds,
        [loop](C* out, std::size_t n, Operand<bool> which, Operand<C> x, Operand<C> w) { loop(which, x, w, out, n); });
  });
}

}  // namespace backflow::kernels
