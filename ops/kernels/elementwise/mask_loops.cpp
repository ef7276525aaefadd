// Loops that make or take truth values: plain ones, which the compiler turns into vectors for each instruction set.
#include <cstddef>
#include <cstdint>

#include <backflow/ops/kernels/elementwise/loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/elementwise/mask_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

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

template <class T>
void where(Operand<bool> condition, Operand<T> a, Operand<T> b, T* y, std::size_t n) {
  constexpr Stride kOne = Stride::One;
  if (condition.stride == kOne && a.stride == kOne && b.stride == kOne) {
    for (std::size_t i = 0; i < n; ++i) {
      const T x = a.data[i];
      const T w = b.data[i];
      y[i] = condition.data[i] ? x : w;
    }
  } else if (condition.stride == kOne && a.stride == kOne) {
    const T number = *b.data;
    for (std::size_t i = 0; i < n; ++i) {
      const T x = a.data[i];
      y[i] = condition.data[i] ? x : number;
    }
  } else if (condition.stride == kOne && b.stride == kOne) {
    const T number = *a.data;
    for (std::size_t i = 0; i < n; ++i) {
      const T w = b.data[i];
      y[i] = condition.data[i] ? number : w;
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      y[i] = condition[i] ? a[i] : b[i];
    }
  }
}

template <class T, class... Fs>
CompareLoop<T> loop_of(functions::List<Fs...>, Comparison f) {
  static constexpr CompareLoop<T> kTable[] = {compare<Fs, T>...};
  return kTable[f.index()];
}

template <class T, class... Fs>
TestLoop<T> loop_of(functions::List<Fs...>, Predicate f) {
  static constexpr TestLoop<T> kTable[] = {test<Fs, T>...};
  return kTable[f.index()];
}

CompareLoop<bool> bool_compare(Comparison f) { return loop_of<bool>(functions::Relations{}, f); }
TestLoop<bool> bool_test(Predicate f) { return loop_of<bool>(functions::Properties{}, f); }
WhereLoop<bool> bool_where() { return where<bool>; }
CompareLoop<std::uint8_t> uint8_compare(Comparison f) { return loop_of<std::uint8_t>(functions::Relations{}, f); }
TestLoop<std::uint8_t> uint8_test(Predicate f) { return loop_of<std::uint8_t>(functions::Properties{}, f); }
WhereLoop<std::uint8_t> uint8_where() { return where<std::uint8_t>; }
CompareLoop<std::int32_t> int32_compare(Comparison f) { return loop_of<std::int32_t>(functions::Relations{}, f); }
TestLoop<std::int32_t> int32_test(Predicate f) { return loop_of<std::int32_t>(functions::Properties{}, f); }
WhereLoop<std::int32_t> int32_where() { return where<std::int32_t>; }
CompareLoop<std::int64_t> int64_compare(Comparison f) { return loop_of<std::int64_t>(functions::Relations{}, f); }
TestLoop<std::int64_t> int64_test(Predicate f) { return loop_of<std::int64_t>(functions::Properties{}, f); }
WhereLoop<std::int64_t> int64_where() { return where<std::int64_t>; }
CompareLoop<float> float_compare(Comparison f) { return loop_of<float>(functions::Relations{}, f); }
TestLoop<float> float_test(Predicate f) { return loop_of<float>(functions::Properties{}, f); }
WhereLoop<float> float_where() { return where<float>; }
CompareLoop<double> double_compare(Comparison f) { return loop_of<double>(functions::Relations{}, f); }
TestLoop<double> double_test(Predicate f) { return loop_of<double>(functions::Properties{}, f); }
WhereLoop<double> double_where() { return where<double>; }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(bool_compare);
HWY_EXPORT(bool_test);
HWY_EXPORT(bool_where);
HWY_EXPORT(uint8_compare);
HWY_EXPORT(uint8_test);
HWY_EXPORT(uint8_where);
HWY_EXPORT(int32_compare);
HWY_EXPORT(int32_test);
HWY_EXPORT(int32_where);
HWY_EXPORT(int64_compare);
HWY_EXPORT(int64_test);
HWY_EXPORT(int64_where);
HWY_EXPORT(float_compare);
HWY_EXPORT(float_test);
HWY_EXPORT(float_where);
HWY_EXPORT(double_compare);
HWY_EXPORT(double_test);
HWY_EXPORT(double_where);

template <>
CompareLoop<bool> compare_loop<bool>(Comparison f) {
  return HWY_DYNAMIC_DISPATCH(bool_compare)(f);
}
template <>
TestLoop<bool> test_loop<bool>(Predicate f) {
  return HWY_DYNAMIC_DISPATCH(bool_test)(f);
}
template <>
WhereLoop<bool> where_loop<bool>() {
  return HWY_DYNAMIC_DISPATCH(bool_where)();
}
template <>
CompareLoop<std::uint8_t> compare_loop<std::uint8_t>(Comparison f) {
  return HWY_DYNAMIC_DISPATCH(uint8_compare)(f);
}
template <>
TestLoop<std::uint8_t> test_loop<std::uint8_t>(Predicate f) {
  return HWY_DYNAMIC_DISPATCH(uint8_test)(f);
}
template <>
WhereLoop<std::uint8_t> where_loop<std::uint8_t>() {
  return HWY_DYNAMIC_DISPATCH(uint8_where)();
}
template <>
CompareLoop<std::int32_t> compare_loop<std::int32_t>(Comparison f) {
  return HWY_DYNAMIC_DISPATCH(int32_compare)(f);
}
template <>
TestLoop<std::int32_t> test_loop<std::int32_t>(Predicate f) {
  return HWY_DYNAMIC_DISPATCH(int32_test)(f);
}
template <>
WhereLoop<std::int32_t> where_loop<std::int32_t>() {
  return HWY_DYNAMIC_DISPATCH(int32_where)();
}
template <>
CompareLoop<std::int64_t> compare_loop<std::int64_t>(Comparison f) {
  return HWY_DYNAMIC_DISPATCH(int64_compare)(f);
}
template <>
TestLoop<std::int64_t> test_loop<std::int64_t>(Predicate f) {
  return HWY_DYNAMIC_DISPATCH(int64_test)(f);
}
template <>
WhereLoop<std::int64_t> where_loop<std::int64_t>() {
  return HWY_DYNAMIC_DISPATCH(int64_where)();
}
template <>
CompareLoop<float> compare_loop<float>(Comparison f) {
  return HWY_DYNAMIC_DISPATCH(float_compare)(f);
}
template <>
TestLoop<float> test_loop<float>(Predicate f) {
  return HWY_DYNAMIC_DISPATCH(float_test)(f);
}
template <>
WhereLoop<float> where_loop<float>() {
  return HWY_DYNAMIC_DISPATCH(float_where)();
}
template <>
CompareLoop<double> compare_loop<double>(Comparison f) {
  return HWY_DYNAMIC_DISPATCH(double_compare)(f);
}
template <>
TestLoop<double> test_loop<double>(Predicate f) {
  return HWY_DYNAMIC_DISPATCH(double_test)(f);
}
template <>
WhereLoop<double> where_loop<double>() {
  return HWY_DYNAMIC_DISPATCH(double_where)();
}

}  // namespace backflow::kernels
#endif
