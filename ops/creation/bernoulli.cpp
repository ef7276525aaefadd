// Ones with given probabilities.
#include <algorithm>
#include <atomic>

#include <backflow/ops/creation/random_fill_internal.h>
#include <backflow/ops/elementwise/elementwise_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// 1 where a uniform number of 53 random bits is less than p[i], or than `p` for all.
template <class T>
void draw(const Tensor& y, const T* probabilities, double p, std::optional<Generator> generator) {
  const std::int64_t n = y.numel();
  const Tensor uniform = empty_tensor({n}, kFloat64);
  double* u = uniform.mutable_data_ptr<double>();
  fill_blocks(u, n, or_default(generator).take_stream(), kUniformNanoseconds,
              [](const Words& w) { return uniform_block(w, double{}); });
  dispatch(y.scalar_type(), [&](auto zero) {
    using Out = decltype(zero);
    Out* out = y.mutable_data_ptr<Out>();
    const auto compare = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        out[i] = static_cast<Out>(u[i] < (probabilities != nullptr ? static_cast<double>(probabilities[i]) : p));
      }
    };
    parallel_ranges(n, static_cast<double>(n), compare, kRandomStep);
  });
}

/// Throws Error, of the first one that is none, unless all are probabilities.
template <class T>
void check_probabilities(const T* p, std::int64_t n) {
  const auto find = [&](std::int64_t begin, std::int64_t end) {
    return std::find_if_not(
               p + begin, p + end,
               [](T value) { return 0 <= static_cast<double>(value) && static_cast<double>(value) <= 1; }) -
           p;
  };
  std::atomic<bool> found = false;
  const auto look = [&](std::int64_t begin, std::int64_t end) {
    if (find(begin, end) != end) {
      found = true;
    }
  };
  parallel_ranges(n, static_cast<double>(n), look, kRandomStep);
  if (found) {
    const std::int64_t i = find(0, n);
    fail("bernoulli: probability ", static_cast<double>(p[i]), " at ", i, ": need one in [0, 1]");
  }
}

struct Bernoulli : ZeroGradient {
  static constexpr OperatorInfo info = {
      .signature = "bernoulli(Tensor self, *, Generator? generator=None) -> Tensor",
      .formula = "y = 1 with probability x, else 0;  dx = 0",
      .doc = "The result has the sizes and floating-point dtype of x. An Error for probabilities outside of [0, 1].",
      .dtypes = kFloatingDtypes,
      .node = "BernoulliBackward0",
  };
  static Tensor forward(const Tensor& x, const std::optional<Generator>& generator) {
    check(x.is_floating_point(), "bernoulli: ", describe(x), ": need floating-point probabilities");
    Tensor y = empty_tensor_like(x, x.scalar_type());
    dispatch(x.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      const Tensor rows = x.is_contiguous() ? x : contiguous(x);
      const T* p = rows.const_data_ptr<T>();
      check_probabilities(p, rows.numel());
      draw<T>(y, p, 0, generator);
    });
    return y;
  }
};

struct BernoulliP : ZeroGradient {
  static constexpr OperatorInfo info = {
      .signature = "bernoulli(Tensor self, float p, *, Generator? generator=None) -> Tensor",
      .formula = "y = 1 with probability p, else 0;  dx = 0",
      .doc = "The result has the sizes and dtype of x, whose elements are ignored. An Error for p outside of [0, 1].",
      .dtypes = kAnyDtype,
      .node = "BernoulliBackward1",
      .inplace = "bernoulli_(Tensor self, float p=0.5, *, Generator? generator=None) -> Tensor",
  };
  static Tensor forward(const Tensor& x, double p, const std::optional<Generator>& generator) {
    check(p >= 0 && p <= 1, "bernoulli: probability ", p, ": need one in [0, 1]");
    Tensor y = empty_tensor_like(x, x.scalar_type());
    draw<double>(y, nullptr, p, generator);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor&, double p, const std::optional<Generator>& generator) {
    check(p >= 0 && p <= 1, "bernoulli_: probability ", p, ": need one in [0, 1]");
    if (!y.is_contiguous()) {
      return false;
    }
    draw<double>(y, nullptr, p, generator);
    return true;
  }
};

}  // namespace

#include <backflow/ops/bernoulli_functions.inc>

OperatorFamily bernoulli_operators() { return family<Bernoulli, BernoulliP>("bernoulli"); }

}  // namespace backflow
