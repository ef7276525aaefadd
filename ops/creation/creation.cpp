// Tensors of constants and of numbers in a row.
#include <backflow/ops/creation/creation.h>

#include <algorithm>

#include <backflow/ops/creation/ranges_internal.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow {
namespace {

/// The dtype that a tensor of these numbers has unless it is given one.
ScalarType dtype_of_numbers(std::initializer_list<Scalar> numbers) {
  ScalarType dtype = kBool;
  for (const Scalar& number : numbers) {
    dtype = promote_types(dtype, number.default_dtype());
  }
  return dtype;
}

TensorOptions like(const Tensor& x, TensorOptions options) { return options.dtype(options.dtype_or(x.scalar_type())); }

Tensor filled(const char* where, IntArrayRef size, const Scalar& value, ScalarType dtype,
              const TensorOptions& options) {
  check_number(where, value, dtype);
  const Tensor x = empty_tensor(size, dtype);
  kernels::fill(x, value);
  return x.set_requires_grad(options.requires_grad());
}

struct Empty {
  static constexpr OperatorInfo info = {
      .signature = "empty(int[] size, TensorOptions options={}) -> Tensor",
      .formula = "y of any values",
      .doc = "Uninitialized elements; float32 by default.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(IntArrayRef size, const TensorOptions& options) {
    return empty_tensor(size, options.dtype()).set_requires_grad(options.requires_grad());
  }
};

struct Zeros {
  static constexpr OperatorInfo info = {
      .signature = "zeros(int[] size, TensorOptions options={}) -> Tensor",
      .formula = "y = 0",
      .doc = "float32 by default.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(IntArrayRef size, const TensorOptions& options) {
    return filled(info.name, size, 0, options.dtype(), options);
  }
};

struct Ones {
  static constexpr OperatorInfo info = {
      .signature = "ones(int[] size, TensorOptions options={}) -> Tensor",
      .formula = "y = 1",
      .doc = "float32 by default.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(IntArrayRef size, const TensorOptions& options) {
    return filled(info.name, size, 1, options.dtype(), options);
  }
};

struct Full {
  static constexpr OperatorInfo info = {
      .signature = "full(int[] size, Scalar fill_value, TensorOptions options={}) -> Tensor",
      .formula = "y = fill_value",
      .doc =
          "By default int64 for an integer, bool for a truth value and float32 for a fraction. An Error for a number "
          "that the dtype can't represent; -n wraps in uint8.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(IntArrayRef size, const Scalar& value, const TensorOptions& options) {
    return filled(info.name, size, value, options.dtype_or(value.default_dtype()), options);
  }
};

/// `Op` with the sizes of x, and its dtype unless the options name one.
template <class Op>
struct Like {
  static Tensor forward(const Tensor& x, const TensorOptions& options) {
    return Op::forward(x.sizes(), like(x, options));
  }
};

struct EmptyLike : Like<Empty> {
  static constexpr OperatorInfo info = {
      .signature = "empty_like(Tensor input, TensorOptions options={}) -> Tensor",
      .formula = "y of any values",
      .doc = "With the sizes of x, and its dtype unless the options name one; row-major and off the tape.",
      .dtypes = kAnyDtype,
  };
};

struct ZerosLike : Like<Zeros> {
  static constexpr OperatorInfo info = {
      .signature = "zeros_like(Tensor input, TensorOptions options) -> Tensor",
      .formula = "y = 0",
      .doc = "With the sizes of x, and its dtype unless the options name one; row-major and off the tape.",
      .dtypes = kAnyDtype,
  };
};

struct OnesLike : Like<Ones> {
  static constexpr OperatorInfo info = {
      .signature = "ones_like(Tensor input, TensorOptions options={}) -> Tensor",
      .formula = "y = 1",
      .doc = "With the sizes of x, and its dtype unless the options name one; row-major and off the tape.",
      .dtypes = kAnyDtype,
  };
};

struct FullLike {
  static constexpr OperatorInfo info = {
      .signature = "full_like(Tensor input, Scalar fill_value, TensorOptions options) -> Tensor",
      .formula = "y = fill_value",
      .doc = "With the sizes of x, and its dtype unless the options name one; row-major and off the tape.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, const Scalar& value, const TensorOptions& options) {
    return filled(info.name, x.sizes(), value, options.dtype_or(x.scalar_type()), options);
  }
};

struct Arange {
  static constexpr OperatorInfo info = {
      .signature = "arange(Scalar start, Scalar end, Scalar step, TensorOptions options={}) -> Tensor",
      .formula = "y_i = start + i step, those before end",
      .doc =
          "By default int64 for integers, float32 for fractions; bool is an Error. The number of elements is exact for "
          "integers. An Error for a step that is 0 in the dtype or leads away from end, and for elements that the "
          "dtype can't represent.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(const Scalar& start, const Scalar& end, const Scalar& step, const TensorOptions& options) {
    const ScalarType numbers = dtype_of_numbers({start, end, step});
    const ScalarType dtype = options.dtype_or(numbers == kBool ? kInt64 : numbers);
    const std::int64_t length = is_floating_point(numbers)
                                    ? detail::range_length(start.toDouble(), end.toDouble(), step.toDouble())
                                    : detail::range_length(start.toLong(), end.toLong(), step.toLong());
    check(is_floating_point(dtype) || step.to<std::int64_t>(info.name) != 0, "arange: step ", step.toDouble(), " in ",
          short_name(dtype), ": need a step other than 0");
    const Tensor x = empty_tensor(length, dtype);
    dispatch_numeric(dtype, "arange", [&](auto zero) {
      using T = decltype(zero);
      using Exact = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
      const auto first = start.to<Exact>(info.name);
      const auto by = step.to<Exact>(info.name);
      // A multiple of an integer may leave the range from which the sum comes back.
      using Wrapping = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;
      const auto element = [&](std::int64_t i) {
        return static_cast<Exact>(static_cast<Wrapping>(first) + static_cast<Wrapping>(i) * static_cast<Wrapping>(by));
      };
      if (length > 0) {
        check_number(info.name, first, dtype);
        check_number(info.name, element(length - 1), dtype);
      }
      const auto fill = [&, y = x.mutable_data_ptr<T>()](std::int64_t begin, std::int64_t stop) {
        for (std::int64_t i = begin; i < stop; ++i) {
          y[i] = static_cast<T>(element(i));
        }
      };
      parallel_ranges(length, static_cast<double>(length), fill, detail::kRangeAlignment);
    });
    return x.set_requires_grad(options.requires_grad());
  }
};

struct ArangeEnd {
  static constexpr OperatorInfo info = {
      .signature = "arange(Scalar end, TensorOptions options={}) -> Tensor",
      .formula = "y_i = i, those before end",
      .doc = "From 0 and by 1.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(const Scalar& end, const TensorOptions& options) { return Arange::forward(0, end, 1, options); }
};

struct ArangeStart {
  static constexpr OperatorInfo info = {
      .signature = "arange(Scalar start, Scalar end, TensorOptions options={}) -> Tensor",
      .formula = "y_i = start + i, those before end",
      .doc = "By 1.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(const Scalar& start, const Scalar& end, const TensorOptions& options) {
    return Arange::forward(start, end, 1, options);
  }
};

struct Linspace {
  static constexpr OperatorInfo info = {
      .signature = "linspace(Scalar start, Scalar end, int steps, TensorOptions options={}) -> Tensor",
      .formula = "y_i = start + i (end - start) / (steps - 1)",
      .doc =
          "`steps` numbers at equal distances from start to end, both included; float32 by default. Integer dtypes "
          "truncate the exact numbers. An Error for bool, for negative steps, and for a start or an end that the dtype "
          "can't represent.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(const Scalar& start, const Scalar& end, std::int64_t steps, const TensorOptions& options) {
    check(steps >= 0, "linspace: ", steps, " steps: need a number >= 0");
    const Tensor x = empty_tensor(steps, options.dtype());
    dispatch_numeric(x.scalar_type(), "linspace", [&](auto zero) {
      using T = decltype(zero);
      check_number(info.name, start, x.scalar_type());
      check_number(info.name, end, x.scalar_type());
      T* const y = x.mutable_data_ptr<T>();
      if constexpr (std::is_integral_v<T>) {
        detail::fill_integers(y, start.to<T>(), end.to<T>(), steps);
      } else {
        detail::fill_reals(y, start.toDouble(), end.toDouble(), steps);
      }
    });
    return x.set_requires_grad(options.requires_grad());
  }
};

struct Eye {
  static constexpr OperatorInfo info = {
      .signature = "eye(int n, int m, TensorOptions options={}) -> Tensor",
      .formula = "y_ij = 1 where i = j, else 0",
      .doc = "The identity matrix, n by m; float32 by default.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(std::int64_t n, std::int64_t m, const TensorOptions& options) {
    const Tensor x = Zeros::forward({n, m}, options.requires_grad(false));
    if (x.numel() > 0) {
      kernels::fill(view_of(x, std::min(n, m), m + 1, 0), 1);
    }
    return x.set_requires_grad(options.requires_grad());
  }
};

struct EyeSquare {
  static constexpr OperatorInfo info = {
      .signature = "eye(int n, TensorOptions options={}) -> Tensor",
      .formula = "y_ij = 1 where i = j, else 0",
      .doc = "The identity matrix, n by n; float32 by default.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(std::int64_t n, const TensorOptions& options) { return Eye::forward(n, n, options); }
};

}  // namespace

#include <backflow/ops/creation_functions.inc>

OperatorFamily creation_operators() {
  return family<Empty, Zeros, Ones, Full, EmptyLike, ZerosLike, OnesLike, FullLike, Arange, ArangeEnd, ArangeStart,
                Linspace, Eye, EyeSquare>("creation");
}

Tensor Tensor::new_empty(IntArrayRef size, TensorOptions options) const { return empty(size, like(*this, options)); }

Tensor Tensor::new_full(IntArrayRef size, const Scalar& fill_value, TensorOptions options) const {
  return full(size, fill_value, like(*this, options));
}

Tensor Tensor::to(const TensorOptions& options, bool /*non_blocking*/, bool copy) const {
  const ScalarType dtype = options.dtype_or(scalar_type());
  return !copy ? to(dtype) : dtype == scalar_type() ? clone() : to_copy(*this, dtype);
}

Tensor Tensor::to(Device /*device*/, ScalarType dtype, bool non_blocking, bool copy) const {
  return to(TensorOptions(dtype), non_blocking, copy);
}

Tensor Tensor::to(const Tensor& other, bool non_blocking, bool copy) const {
  return to(TensorOptions(other.scalar_type()), non_blocking, copy);
}

}  // namespace backflow
