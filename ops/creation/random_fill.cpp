// Tensors that are filled with random numbers in place.
#include <cmath>

#include <backflow/ops/creation/random.h>
#include <backflow/ops/creation/random_fill_internal.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow {
namespace {

using namespace detail;

/// Runs `fill` on `self`, or on a row-major tensor, which for bfloat16 is one of float32, that is then copied to it.
template <class Fill>
const Tensor& fill_inplace(const Tensor& self, const Fill& fill) {
  const ScalarType dtype = self.scalar_type() == kBFloat16 ? kFloat32 : self.scalar_type();
  if (self.is_contiguous() && dtype == self.scalar_type()) {
    fill(self);
  } else {
    const Tensor rows = empty_tensor_like(self, dtype);
    fill(rows);
    kernels::copy(self, rows);
  }
  bump_version(self);
  return self;
}

/// The largest bfloat16 that is less than `end`.
float below(float end) {
  const BFloat16 rounded(end);
  if (static_cast<float>(rounded) < end) {
    return rounded;
  }
  BFloat16 next = rounded;
  const bool is_negative = end <= 0;
  next.bits = end == 0 ? std::uint16_t{0x8001} : static_cast<std::uint16_t>(rounded.bits + (is_negative ? 1 : -1));
  return next;
}

/// Throws Error unless [from, to) is an interval of numbers of the dtype, whose length, which is computed with, is one.
void check_bounds(ScalarType dtype, double from, double to) {
  check(from <= to, "uniform_: [", from, ", ", to, "): need from <= to");
  check(std::isfinite(from) && std::isfinite(to), "uniform_: [", from, ", ", to, "): need finite numbers");
  check_number("uniform_", from, dtype);
  check_number("uniform_", to, dtype);
  const double length = to - from;
  const bool is_held =
      std::isfinite(length) && dispatch(dtype, [&](auto zero) { return beyond<decltype(zero)>(length) == 0; });
  check(is_held, "uniform_: [", from, ", ", to, "): need a length that ", short_name(dtype), " holds");
}

/// Checks that `self` can be filled. Its new values depend on nothing: what is recorded is that.
void check_random(const char* op, const Tensor& self) {
  check(self.is_floating_point(), op, ": ", describe(self), ": need a floating-point tensor");
  check_inplace(op, self, self.requires_grad());
  if (GradMode::is_enabled() && self.requires_grad()) {
    self.zero_();
  }
}

}  // namespace

const Tensor& uniform_(const Tensor& self, double from, double to, std::optional<Generator> generator) {
  check_random("uniform_", self);
  check_bounds(self.scalar_type(), from, to);
  const Generator::State state = or_default(generator).take_stream();
  const bool is_short = self.scalar_type() == kBFloat16;
  return fill_inplace(self, [&](const Tensor& x) {
    dispatch_floating(x.scalar_type(), "uniform_", [&](auto zero) {
      using T = decltype(zero);
      const T first = static_cast<T>(from);
      const T end = static_cast<T>(to);
      // Rounding must not give `to`.
      const T largest = is_short ? static_cast<T>(below(static_cast<float>(end))) : std::nextafter(end, first);
      fill_blocks(x.mutable_data_ptr<T>(), x.numel(), state, kUniformNanoseconds, [&](const Words& words) {
        auto u = uniform_block(words, T{});
        for (T& v : u) {
          v = std::max(first, std::min(first + v * (end - first), largest));
        }
        return u;
      });
    });
  });
}

const Tensor& normal_(const Tensor& self, double mean, double std, std::optional<Generator> generator) {
  check_random("normal_", self);
  check(std >= 0, "normal_: standard deviation ", std, ": need a number >= 0");
  check(std::isfinite(mean) && std::isfinite(std), "normal_: mean ", mean, ", standard deviation ", std,
        ": need finite numbers");
  check_number("normal_", mean, self.scalar_type());
  check_number("normal_", std, self.scalar_type());
  const Generator::State state = or_default(generator).take_stream();
  return fill_inplace(self, [&](const Tensor& x) {
    dispatch_floating(x.scalar_type(), "normal_", [&](auto zero) {
      using T = decltype(zero);
      fill_blocks(x.mutable_data_ptr<T>(), x.numel(), state, kNormalNanoseconds, [&](const Words& words) {
        auto z = normal_block(words, T{});
        for (T& v : z) {
          v = static_cast<T>(mean) + v * static_cast<T>(std);
        }
        return z;
      });
    });
  });
}

Tensor& Tensor::uniform_(double from, double to) const { return uniform_(from, to, std::nullopt); }
Tensor& Tensor::uniform_(double from, double to, const std::optional<Generator>& generator) const {
  return const_cast<Tensor&>(backflow::uniform_(*this, from, to, generator));  // NOLINT(*-const-cast): a handle
}
Tensor& Tensor::normal_(double mean, double std) const { return normal_(mean, std, std::nullopt); }
Tensor& Tensor::normal_(double mean, double std, const std::optional<Generator>& generator) const {
  return const_cast<Tensor&>(backflow::normal_(*this, mean, std, generator));  // NOLINT(*-const-cast): a handle
}

}  // namespace backflow
