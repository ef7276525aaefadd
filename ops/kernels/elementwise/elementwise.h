#pragma once

#include <array>

#include <backflow/ops/kernels/elementwise/functions/functions.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels {

/// Numbers that a function has besides its operands, as the slope of leaky_relu.
using Params = std::array<double, 3>;

/// A function of the list: `functions::Exp{}` is one of one operand. What is not listed, or has another number of
/// operands, does not compile.
using Unary = functions::Choice<functions::UnaryFunctions>;
using Binary = functions::Choice<functions::BinaryFunctions>;
using Ternary = functions::Choice<functions::TernaryFunctions>;

/// Relations of two operands of any dtype, and properties of one.
using Comparison = functions::Choice<functions::Relations>;
using Predicate = functions::Choice<functions::Properties>;

/// Whether f relates truth values.
bool is_logical(Comparison f);
/// The relation that holds for (b, a) where f does for (a, b).
Comparison reversed(Comparison f);

/// Whether there is such a function of numbers of this dtype. What follows must not be called without.
bool has(Unary f, ScalarType dtype);
bool has(Binary f, ScalarType dtype);

// Of the functions below, operands broadcast to the shape of y and have any strides; y may be an operand itself where
// dtypes are equal, but must not overlap one otherwise. bfloat16 is computed in float32 and rounded once. Integers
// wrap.

/// y = f(x); dtypes are equal.
void unary(Unary f, const Tensor& y, const Tensor& x, const Params& params = {});

/// y = f(a, b); dtypes are equal.
void binary(Binary f, const Tensor& y, const Tensor& a, const Tensor& b, const Params& params = {});
/// The same for a number in the place of one operand; as integer it wraps, as float32 it may become infinite.
void binary(Binary f, const Tensor& y, const Tensor& a, const Scalar& b, const Params& params = {});
void binary(Binary f, const Tensor& y, const Scalar& a, const Tensor& b, const Params& params = {});

/// y = a + factor b for functions::Add, a - factor b for functions::Sub, with one rounding for the product and one for
/// the sum; floating-point dtypes.
void add_scaled(Binary f, const Tensor& y, const Tensor& a, const Tensor& b, const Scalar& factor);

/// y = f(a, b, c); floating-point dtypes, all equal.
void ternary(Ternary f, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c, const Params& params = {});

/// y, a bool tensor, says where f(a, b) holds; dtypes of a and b are equal. A number need not be one of the dtype:
/// that of a uint8 tensor to 300 is the relation of integers.
void compare(Comparison f, const Tensor& y, const Tensor& a, const Tensor& b);
void compare(Comparison f, const Tensor& y, const Tensor& a, const Scalar& b);

/// y, a bool tensor, says where f(x) holds.
void test(Predicate f, const Tensor& y, const Tensor& x);

/// y = a where the bool tensor `condition` is true, else b; dtypes of y, a and b are equal.
void where(const Tensor& y, const Tensor& condition, const Tensor& a, const Tensor& b);

/// y = x converted to y's dtype; x broadcasts to the shape of y. Any strides, no overlap.
void copy(const Tensor& y, const Tensor& x);

/// Every element of y becomes `value`; an Error for a number that the dtype can't hold.
void fill(const Tensor& y, const Scalar& value);

}  // namespace backflow::kernels
