// Tensors of random numbers.
#include <backflow/ops/creation/random.h>

#include <array>
#include <utility>
#include <vector>

#include <backflow/ops/creation/random_fill_internal.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/runtime/tensor/number_range.h>

namespace backflow {
namespace {

using namespace detail;

TensorOptions like(const Tensor& x, TensorOptions options) { return options.dtype(options.dtype_or(x.scalar_type())); }

/// Whole numbers from low on, uniform in `range` of them, from 64 random bits.
template <class T>
T whole_number(std::uint64_t bits, std::int64_t low, std::uint64_t range) {
  __extension__ using Wide = unsigned __int128;
  const auto distance = static_cast<std::uint64_t>((Wide{bits} * range) >> 64);
  return static_cast<T>(static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + distance));
}

/// Throws Error, for operator `op`, unless the dtype holds this whole number and all that are nearer to 0.
void check_holds(const char* op, std::int64_t value, ScalarType dtype) {
  const auto is_within = [&](int bits) {
    return value >= -(std::int64_t{1} << bits) && value <= std::int64_t{1} << bits;
  };
  const bool holds = dtype == kBool       ? value == 0 || value == 1
                     : dtype == kBFloat16 ? is_within(8)
                     : dtype == kFloat32  ? is_within(24)
                     : dtype == kFloat64
                         ? is_within(53)
                         : dispatch(dtype, [&](auto zero) { return beyond<decltype(zero)>(value) == 0; });
  check(holds, op, ": ", value, " as ", short_name(dtype), ": need numbers that the dtype holds");
}

Tensor integers(const char* op, std::int64_t low, std::int64_t high, IntArrayRef size,
                std::optional<Generator> generator, TensorOptions options) {
  check(low < high, op, ": from ", low, " to ", high, ": need low < high");
  const ScalarType dtype = options.dtype_or(kInt64);
  check_holds(op, low, dtype);
  check_holds(op, high - 1, dtype);
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const Tensor x = empty_tensor(size, dtype);
  const Generator::State state = or_default(generator).take_stream();
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    fill_blocks(x.mutable_data_ptr<T>(), x.numel(), state, kUniformNanoseconds, [&](const Words& w) {
      return std::array<T, 2>{whole_number<T>(join(w[0], w[1]), low, range),
                              whole_number<T>(join(w[2], w[3]), low, range)};
    });
  });
  return x.set_requires_grad(options.requires_grad());
}

/// Tensors that `kFill` fills: of sizes, or like another tensor.
template <class Op, const Tensor& (*kFill)(const Tensor&, double, double, std::optional<Generator>)>
struct FloatingNumbers {
  static Tensor forward(IntArrayRef size, const std::optional<Generator>& generator, const TensorOptions& options) {
    check(is_floating_point(options.dtype()), Op::info.name, ": dtype ", short_name(options.dtype()),
          ": need a floating-point one; randint() makes integers");
    return kFill(empty_tensor(size, options.dtype()), 0, 1, generator).set_requires_grad(options.requires_grad());
  }
  static Tensor forward(IntArrayRef size, const TensorOptions& options) { return forward(size, std::nullopt, options); }
  static Tensor forward(const Tensor& x, const TensorOptions& options) { return forward(x.sizes(), like(x, options)); }
};

struct Rand : FloatingNumbers<Rand, uniform_> {
  static constexpr OperatorInfo info = {
      .signature = "rand(int[] size, TensorOptions options={}) -> Tensor",
      .formula = "y uniform in [0, 1)",
      .doc =
          "Uniform numbers in [0, 1) from the default generator, with 24 random bits in float32, 53 in float64, 8 in "
          "bfloat16. An Error for other dtypes.",
      .dtypes = kFloatingDtypes,
  };
};

struct RandGenerator : FloatingNumbers<RandGenerator, uniform_> {
  static constexpr OperatorInfo info = {
      .signature = "rand(int[] size, Generator? generator, TensorOptions options={}) -> Tensor",
      .formula = "y uniform in [0, 1)",
      .doc = "The same from a generator.",
      .dtypes = kFloatingDtypes,
  };
};

struct RandLike : FloatingNumbers<RandLike, uniform_> {
  static constexpr OperatorInfo info = {
      .signature = "rand_like(Tensor input, TensorOptions options={}) -> Tensor",
      .formula = "y uniform in [0, 1)",
      .doc = "rand with the sizes of x, and its dtype unless the options name one.",
      .dtypes = kFloatingDtypes,
  };
};

struct Randn : FloatingNumbers<Randn, normal_> {
  static constexpr OperatorInfo info = {
      .signature = "randn(int[] size, TensorOptions options={}) -> Tensor",
      .formula = "y normal, of mean 0 and variance 1",
      .doc =
          "Standard normal numbers from the default generator, by Box and Muller's transformation (A note on the "
          "generation of random normal deviates, 1958). An Error for dtypes that are not floating-point.",
      .dtypes = kFloatingDtypes,
  };
};

struct RandnGenerator : FloatingNumbers<RandnGenerator, normal_> {
  static constexpr OperatorInfo info = {
      .signature = "randn(int[] size, Generator? generator, TensorOptions options={}) -> Tensor",
      .formula = "y normal, of mean 0 and variance 1",
      .doc = "The same from a generator.",
      .dtypes = kFloatingDtypes,
  };
};

struct RandnLike : FloatingNumbers<RandnLike, normal_> {
  static constexpr OperatorInfo info = {
      .signature = "randn_like(Tensor input, TensorOptions options={}) -> Tensor",
      .formula = "y normal, of mean 0 and variance 1",
      .doc = "randn with the sizes of x, and its dtype unless the options name one.",
      .dtypes = kFloatingDtypes,
  };
};

struct RandintHigh {
  static constexpr OperatorInfo info = {
      .signature = "randint(int high, int[] size, TensorOptions options=kInt64) -> Tensor",
      .formula = "y uniform in 0, 1, ..., high - 1",
      .doc = "As randint from 0.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(std::int64_t high, IntArrayRef size, const TensorOptions& options) {
    return integers("randint", 0, high, size, std::nullopt, options);
  }
};

struct Randint {
  static constexpr OperatorInfo info = {
      .signature = "randint(int low, int high, int[] size, TensorOptions options=kInt64) -> Tensor",
      .formula = "y uniform in low, low + 1, ..., high - 1",
      .doc =
          "Integers in [low, high), int64 by default. Probabilities differ by at most (high - low) / 2^64. An Error "
          "unless low < high and the dtype can represent the numbers.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(std::int64_t low, std::int64_t high, IntArrayRef size, const TensorOptions& options) {
    return integers("randint", low, high, size, std::nullopt, options);
  }
};

struct RandintGenerator {
  static constexpr OperatorInfo info = {
      .signature =
          "randint(int low, int high, int[] size, Generator? generator, TensorOptions options=kInt64) -> Tensor",
      .formula = "y uniform in low, low + 1, ..., high - 1",
      .doc = "The same from a generator.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(std::int64_t low, std::int64_t high, IntArrayRef size,
                        const std::optional<Generator>& generator, const TensorOptions& options) {
    return integers("randint", low, high, size, generator, options);
  }
};

struct RandintLikeHigh {
  static constexpr OperatorInfo info = {
      .signature = "randint_like(Tensor input, int high, TensorOptions options={}) -> Tensor",
      .formula = "y uniform in 0, 1, ..., high - 1",
      .doc = "randint with the sizes of x, and its dtype unless the options name one.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t high, const TensorOptions& options) {
    return integers("randint_like", 0, high, x.sizes(), std::nullopt, like(x, options));
  }
};

struct RandintLike {
  static constexpr OperatorInfo info = {
      .signature = "randint_like(Tensor input, int low, int high, TensorOptions options={}) -> Tensor",
      .formula = "y uniform in low, low + 1, ..., high - 1",
      .doc = "The same from `low` on.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t low, std::int64_t high, const TensorOptions& options) {
    return integers("randint_like", low, high, x.sizes(), std::nullopt, like(x, options));
  }
};

/// The numbers below n in random order: each place in turn takes one of those that are left (Fisher and Yates). The
/// random numbers of the places are drawn at once, so that threads do not matter.
Tensor permutation(std::int64_t n, std::optional<Generator> generator, const TensorOptions& options) {
  check(n >= 0, "randperm: ", n, " numbers: need 0 or more");
  const ScalarType dtype = options.dtype_or(kInt64);
  check(dtype != kBool, "randperm: dtype bool: need numbers");
  check_holds("randperm", n - 1 < 0 ? 0 : n - 1, dtype);
  std::vector<std::uint64_t> bits(static_cast<std::size_t>(n));
  fill_blocks(bits.data(), n, or_default(generator).take_stream(), kUniformNanoseconds, [](const Words& w) {
    return std::array<std::uint64_t, 2>{join(w[0], w[1]), join(w[2], w[3])};
  });
  const Tensor x = empty_tensor({n}, dtype);
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = x.mutable_data_ptr<T>();
    for (std::int64_t i = 0; i < n; ++i) {
      y[i] = static_cast<T>(i);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const auto left = static_cast<std::uint64_t>(n - i);
      std::swap(y[i], y[whole_number<std::int64_t>(bits[static_cast<std::size_t>(i)], i, left)]);
    }
  });
  return x.set_requires_grad(options.requires_grad());
}

struct Randperm {
  static constexpr OperatorInfo info = {
      .signature = "randperm(int n, TensorOptions options=kInt64) -> Tensor",
      .formula = "y = 0, 1, ..., n - 1 in random order",
      .doc =
          "A random permutation of 0 to n - 1 from the default generator, int64 by default. An Error for bool, and for "
          "a dtype that can't represent n - 1.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(std::int64_t n, const TensorOptions& options) { return permutation(n, std::nullopt, options); }
};

struct RandpermGenerator {
  static constexpr OperatorInfo info = {
      .signature = "randperm(int n, Generator? generator, TensorOptions options=kInt64) -> Tensor",
      .formula = "y = 0, 1, ..., n - 1 in random order",
      .doc = "The same from a generator.",
      .dtypes = kNumericDtypes,
  };
  static Tensor forward(std::int64_t n, const std::optional<Generator>& generator, const TensorOptions& options) {
    return permutation(n, generator, options);
  }
};

}  // namespace

#include <backflow/ops/random_functions.inc>

OperatorFamily random_operators() {
  return family<Rand, RandGenerator, RandLike, Randn, RandnGenerator, RandnLike, RandintHigh, Randint, RandintGenerator,
                RandintLikeHigh, RandintLike, Randperm, RandpermGenerator>("random");
}

}  // namespace backflow
