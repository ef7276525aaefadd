// Loops that make or take truth values: plain ones, which the compiler turns into vectors for each instruction set.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include <backflow/ops/kernels/elementwise/loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/mask_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef BACKFLOW_MASK_LOOPS
#define BACKFLOW_MASK_LOOPS
namespace backflow::kernels {

template <class T>
struct MaskLoops {
  const CompareLoop<T>* compare;  // of each relation
  const TestLoop<T>* test;        // of each property
  WhereLoop<T> where;
};
/// The unsigned integer of T's size.
template <class T>
using UnsignedOf = std::conditional_t<
    sizeof(T) == 1, std::uint8_t,
    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::conditional_t<sizeof(T) == 8, std::uint64_t, void>>>;
using AllMaskLoops = std::tuple<MaskLoops<bool>, MaskLoops<std::uint8_t>, MaskLoops<std::int32_t>,
                                MaskLoops<std::int64_t>, MaskLoops<float>, MaskLoops<double>>;

}  // namespace backflow::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <class F, class T>
void compare(Operand<T> a, Operand<T> b, bool* y, std::size_t n) {
  if (a.stride == Stride::One && b.stride == Stride::One) {
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = F::of(a.data[i], b.data[i]);
    }
  } else if (a.stride == Stride::One) {
    const T number = *b.data;
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = F::of(a.data[i], number);
    }
  } else {
    const T number = *a.data;
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = F::of(number, b[i]);
    }
  }
}

template <class F, class T>
void test(const T* x, bool* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    y[i] = F::of(x[i]);
  }
}

/// `a` where the byte of a bool is 1, `b` where it is 0. It selects bits: of `?:` the compiler makes a branch, which a
/// mask without a pattern mispredicts half of the time. It has no vectors of bool either, only of bytes.
template <class T>
T chosen(std::uint8_t condition, T a, T b) {
  using Bits = UnsignedOf<T>;
  const auto mask = static_cast<Bits>(-static_cast<Bits>(condition));
  return std::bit_cast<T>(static_cast<Bits>((std::bit_cast<Bits>(a) & mask) | (std::bit_cast<Bits>(b) & ~mask)));
}

template <class T>
void where(Operand<bool> condition, Operand<T> a, Operand<T> b, T* y, std::size_t n) {
  constexpr Stride kOne = Stride::One;
  constexpr std::size_t kFew = 32;  // elements that fill no vectors
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(condition.data);
  if (n < kFew) {
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = condition[i] ? a[i] : b[i];
    }
  } else if (condition.stride == Stride::Zero) {
    const Operand<T> x = *condition.data ? a : b;
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = x[i];
    }
  } else if (a.stride == kOne && b.stride == kOne) {
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = chosen(bytes[i], a.data[i], b.data[i]);
    }
  } else if (a.stride == kOne) {
    const T number = *b.data;
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = chosen(bytes[i], a.data[i], number);
    }
  } else {
    const T number = *a.data;
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = chosen(bytes[i], number, b[i]);
    }
  }
}

template <class T, class... Relations>
constexpr CompareLoop<T> kCompare[] = {compare<Relations, T>...};
template <class T, class... Properties>
constexpr TestLoop<T> kTest[] = {test<Properties, T>...};

template <class T, class... Relations, class... Properties>
constexpr MaskLoops<T> loops_of(functions::List<Relations...>, functions::List<Properties...>) {
  return {kCompare<T, Relations...>, kTest<T, Properties...>, where<T>};
}

const AllMaskLoops& all_loops() {
  static constexpr AllMaskLoops kAll = []<class... Ts>(std::tuple<MaskLoops<Ts>...>) {
    return AllMaskLoops(loops_of<Ts>(functions::Relations{}, functions::Properties{})...);
  }(AllMaskLoops{});
  return kAll;
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {
namespace {

HWY_EXPORT(all_loops);

template <class T>
const MaskLoops<T>& loops_of() {
  return std::get<MaskLoops<T>>(HWY_DYNAMIC_DISPATCH(all_loops)());
}

}  // namespace

template <class T>
CompareLoop<T> compare_loop(Comparison f) {
  return loops_of<T>().compare[f.index()];
}

template <class T>
TestLoop<T> test_loop(Predicate f) {
  return loops_of<T>().test[f.index()];
}

template <class T>
WhereLoop<T> where_loop() {
  return loops_of<T>().where;
}

template CompareLoop<bool> compare_loop(Comparison);
template TestLoop<bool> test_loop(Predicate);
template WhereLoop<bool> where_loop();
template CompareLoop<std::uint8_t> compare_loop(Comparison);
template TestLoop<std::uint8_t> test_loop(Predicate);
template WhereLoop<std::uint8_t> where_loop();
template CompareLoop<std::int32_t> compare_loop(Comparison);
template TestLoop<std::int32_t> test_loop(Predicate);
template WhereLoop<std::int32_t> where_loop();
template CompareLoop<std::int64_t> compare_loop(Comparison);
template TestLoop<std::int64_t> test_loop(Predicate);
template WhereLoop<std::int64_t> where_loop();
template CompareLoop<float> compare_loop(Comparison);
template TestLoop<float> test_loop(Predicate);
template WhereLoop<float> where_loop();
template CompareLoop<double> compare_loop(Comparison);
template TestLoop<double> test_loop(Predicate);
template WhereLoop<double> where_loop();

}  // namespace backflow::kernels
#endif
