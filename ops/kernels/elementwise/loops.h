#pragma once

#include <cstddef>
#include <cstdint>

#include <backflow/ops/kernels/elementwise/elementwise.h>

namespace backflow::kernels {

/// How an operand of a loop is laid out: one element after the other, or one element for all.
enum class Stride : std::size_t { Zero = 0, One = 1 };

/// An operand of a loop.
template <class T>
struct Operand {
  const T* data;
  Stride stride;

  const T& operator[](std::size_t i) const { return data[i * static_cast<std::size_t>(stride)]; }
  /// From element i on.
  Operand from(std::size_t i) const { return {data + i * static_cast<std::size_t>(stride), stride}; }
};

// The innermost loops over contiguous memory: y[i] = f(x[i], ...) for i < n. Those of float and double are compiled for
// several instruction sets, and the best that the machine has is taken. Every element's value is independent of its
// position, so a loop may be cut anywhere. `params` are the three numbers of `Params`; loops that have none ignore it.

template <class T>
using UnaryLoop = void (*)(const T* x, T* y, std::size_t n, const T* params);
template <class T>
using BinaryLoop = void (*)(Operand<T> a, Operand<T> b, T* y, std::size_t n, const T* params);
template <class T>
using TernaryLoop = void (*)(Operand<T> a, Operand<T> b, Operand<T> c, T* y, std::size_t n, const T* params);
template <class T>
using CompareLoop = void (*)(Operand<T> a, Operand<T> b, bool* y, std::size_t n);
template <class T>
using TestLoop = void (*)(const T* x, bool* y, std::size_t n);
template <class T>
using WhereLoop = void (*)(Operand<bool> condition, Operand<T> a, Operand<T> b, T* y, std::size_t n);

/// The loop of a function for T = bool, uint8_t, int32_t, int64_t, float or double; null where f is not of T.
template <class T>
UnaryLoop<T> unary_loop(Unary f);
template <class T>
BinaryLoop<T> binary_loop(Binary f);
/// T = float or double.
template <class T>
TernaryLoop<T> ternary_loop(Ternary f);
template <class T>
CompareLoop<T> compare_loop(Comparison f);
template <class T>
TestLoop<T> test_loop(Predicate f);
template <class T>
WhereLoop<T> where_loop();

/// The name of the instruction set that the loops use: "AVX3", "AVX2", "SSE4", ...
const char* instruction_set();

}  // namespace backflow::kernels
