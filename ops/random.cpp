#include <backflow/ops/random.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <mutex>
#include <numbers>

#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/runtime/branch.h>
#include <backflow/runtime/philox.h>
#include <backflow/runtime/thread_state.h>
#include <backflow/runtime/threads.h>

namespace backflow {

struct Generator::Shared {
  const std::uint64_t branch = branch_id();  // that the generator was made in
  std::mutex mutex;
  State state;
};

Generator::Generator(std::uint64_t seed) : shared_(std::make_shared<Shared>()) { shared_->state.seed = seed; }

Generator::State Generator::state() const {
  wait_for_turn(shared_->branch);
  const std::lock_guard lock(shared_->mutex);
  return shared_->state;
}

void Generator::set_state(const State& state) {
  wait_for_turn(shared_->branch);
  const std::lock_guard lock(shared_->mutex);
  shared_->state = state;
}

Generator::State Generator::take_stream() {
  wait_for_turn(shared_->branch);
  const std::lock_guard lock(shared_->mutex);
  const State taken = shared_->state;
  ++shared_->state.offset;
  return taken;
}

Tensor Generator::get_state() const {
  const State now = state();
  Tensor out = empty_tensor({sizeof(State)}, kUInt8);
  std::memcpy(out.data_ptr(), &now, sizeof(State));
  return out;
}

void Generator::set_state(const Tensor& state) {
  check(state.scalar_type() == kUInt8 && state.numel() == sizeof(State) && state.is_contiguous(),
        "set_state: ", describe(state), ": need what get_state returned, a u8[", sizeof(State), "]");
  State from;
  std::memcpy(&from, state.data_ptr(), sizeof(State));
  set_state(from);
}

Generator& default_generator() {
  static Generator generator = [] {
    const ThreadStateGuard outside({});  // it belongs to no branch, whoever asks for it first
    return Generator();
  }();
  Generator* of_thread = thread_state().generator;
  return of_thread != nullptr ? *of_thread : generator;
}

DefaultGeneratorGuard::DefaultGeneratorGuard(const Generator::State& state) : previous_(thread_state().generator) {
  generator_.set_state(state);
  thread_state().generator = &generator_;
}

DefaultGeneratorGuard::~DefaultGeneratorGuard() { thread_state().generator = previous_; }

Tensor get_rng_state() { return default_generator().get_state(); }

void set_rng_state(const Tensor& state) { default_generator().set_state(state); }

void manual_seed(std::uint64_t seed) { default_generator().set_current_seed(seed); }

namespace {

using Words = Philox4x32::Counter;

constexpr std::int64_t kChunk = 16 * 1024;  // elements; the numbers do not depend on it

/// Set in the streams of tensors, so that those that others make of the same seed are apart.
constexpr std::uint64_t kTensorStreams = std::uint64_t{1} << 62;

/// Fills x[0, n): each block of four random words gives the elements that `f(words)` returns as an array.
template <class T, class F>
void fill_blocks(T* x, std::int64_t n, Generator::State from, const F& f) {
  constexpr auto kPerBlock = static_cast<std::int64_t>(std::tuple_size_v<decltype(f(Words{}))>);
  const std::uint64_t stream = kTensorStreams | from.offset;
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  parallel_for((n + kChunk - 1) / kChunk, [&](std::int64_t chunk) {
    const std::int64_t end = std::min(n, (chunk + 1) * kChunk);
    for (std::int64_t i = chunk * kChunk; i < end; i += kPerBlock) {
      const auto block = static_cast<std::uint64_t>(i / kPerBlock);
      const auto values =
          f(Philox4x32::block({low(block), high(block), low(stream), high(stream)}, {low(from.seed), high(from.seed)}));
      std::copy_n(values.begin(), std::min(kPerBlock, end - i), x + i);
    }
  });
}

std::uint64_t join(std::uint32_t low, std::uint32_t high) { return low | (std::uint64_t{high} << 32); }

/// Numbers in [0, 1): four floats or two doubles.
std::array<float, 4> uniform_block(const Words& w, float) {
  std::array<float, 4> u;
  std::transform(w.begin(), w.end(), u.begin(), [](std::uint32_t v) { return static_cast<float>(v >> 8) * 0x1p-24F; });
  return u;
}
std::array<double, 2> uniform_block(const Words& w, double) {
  const auto number = [](std::uint64_t v) { return static_cast<double>(v >> 11) * 0x1p-53; };
  return {number(join(w[0], w[1])), number(join(w[2], w[3]))};
}

/// Two standard normal numbers from u in (0, 1] and v in [0, 1).
std::array<double, 2> box_muller(double u, double v) {
  const double r = std::sqrt(-2 * std::log(u));
  const double angle = 2 * std::numbers::pi * v;
  return {r * std::cos(angle), r * std::sin(angle)};
}

std::array<float, 4> normal_block(const Words& w, float) {
  std::array<float, 4> z;
  for (std::size_t i = 0; i < 4; i += 2) {
    const auto pair = box_muller((w[i] + 1.0) * 0x1p-32, w[i + 1] * 0x1p-32);
    z[i] = static_cast<float>(pair[0]);
    z[i + 1] = static_cast<float>(pair[1]);
  }
  return z;
}
std::array<double, 2> normal_block(const Words& w, double) {
  const auto number = [](std::uint64_t v) { return static_cast<double>(v >> 11); };
  return box_muller((number(join(w[0], w[1])) + 1) * 0x1p-53, number(join(w[2], w[3])) * 0x1p-53);
}

/// Runs `fill` on `self`, or on a row-major tensor that is then copied to it.
template <class Fill>
const Tensor& fill_inplace(const Tensor& self, const Fill& fill) {
  if (self.is_contiguous()) {
    fill(self);
  } else {
    const Tensor rows = empty_tensor_like(self, self.scalar_type());
    fill(rows);
    kernels::copy(self, rows);
  }
  bump_version(self);
  return self;
}

/// Checks that `self` can be filled. Its new values depend on nothing: what is recorded is that.
void check_random(const char* op, const Tensor& self) {
  check(self.is_floating_point(), op, ": ", describe(self), ": need a floating-point tensor");
  check_inplace(op, self, self.requires_grad());
  if (GradMode::is_enabled() && self.requires_grad()) {
    self.zero_();
  }
}

Generator& or_default(std::optional<Generator>& generator) { return generator ? *generator : default_generator(); }

}  // namespace

const Tensor& uniform_(const Tensor& self, double from, double to, std::optional<Generator> generator) {
  check_random("uniform_", self);
  check(from <= to, "uniform_: [", from, ", ", to, "): need from <= to");
  const Generator::State state = or_default(generator).take_stream();
  return fill_inplace(self, [&](const Tensor& x) {
    dispatch_floating(x.scalar_type(), "uniform_", [&](auto zero) {
      using T = decltype(zero);
      const T first = static_cast<T>(from);
      const T end = static_cast<T>(to);
      const T largest = std::nextafter(end, first);  // rounding must not give `to`
      fill_blocks(x.data_ptr<T>(), x.numel(), state, [&](const Words& words) {
        auto u = uniform_block(words, T{});
        for (T& v : u) {
          v = std::min(first + v * (end - first), largest);
        }
        return u;
      });
    });
  });
}

const Tensor& normal_(const Tensor& self, double mean, double std, std::optional<Generator> generator) {
  check_random("normal_", self);
  check(std >= 0, "normal_: standard deviation ", std, ": need a number >= 0");
  const Generator::State state = or_default(generator).take_stream();
  return fill_inplace(self, [&](const Tensor& x) {
    dispatch_floating(x.scalar_type(), "normal_", [&](auto zero) {
      using T = decltype(zero);
      fill_blocks(x.data_ptr<T>(), x.numel(), state, [&](const Words& words) {
        auto z = normal_block(words, T{});
        for (T& v : z) {
          v = static_cast<T>(mean) + v * static_cast<T>(std);
        }
        return z;
      });
    });
  });
}

Tensor rand(IntArrayRef size, std::optional<Generator> generator, TensorOptions options) {
  const Tensor x = empty_tensor(size, options.dtype());
  return uniform_(x, 0, 1, std::move(generator)).set_requires_grad(options.requires_grad());
}
Tensor rand(IntArrayRef size, TensorOptions options) { return rand(size, std::nullopt, options); }

Tensor randn(IntArrayRef size, std::optional<Generator> generator, TensorOptions options) {
  const Tensor x = empty_tensor(size, options.dtype());
  return normal_(x, 0, 1, std::move(generator)).set_requires_grad(options.requires_grad());
}
Tensor randn(IntArrayRef size, TensorOptions options) { return randn(size, std::nullopt, options); }

Tensor rand_like(const Tensor& input, TensorOptions options) {
  return rand(input.sizes(), options.dtype(options.dtype_or(input.scalar_type())));
}
Tensor randn_like(const Tensor& input, TensorOptions options) {
  return randn(input.sizes(), options.dtype(options.dtype_or(input.scalar_type())));
}

Tensor& Tensor::uniform_(double from, double to) const { return uniform_(from, to, std::nullopt); }
Tensor& Tensor::uniform_(double from, double to, const std::optional<Generator>& generator) const {
  return const_cast<Tensor&>(backflow::uniform_(*this, from, to, generator));  // NOLINT(*-const-cast): a handle
}
Tensor& Tensor::normal_(double mean, double std) const { return normal_(mean, std, std::nullopt); }
Tensor& Tensor::normal_(double mean, double std, const std::optional<Generator>& generator) const {
  return const_cast<Tensor&>(backflow::normal_(*this, mean, std, generator));  // NOLINT(*-const-cast): a handle
}

Tensor randint(std::int64_t low, std::int64_t high, IntArrayRef size, std::optional<Generator> generator,
               TensorOptions options) {
  check(low < high, "randint: from ", low, " to ", high, ": need low < high");
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const Tensor x = empty_tensor(size, options.dtype_or(kInt64));
  const Generator::State state = or_default(generator).take_stream();
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const auto number = [&](std::uint64_t bits) {
      const auto distance = static_cast<std::uint64_t>((Wide{bits} * range) >> 64);
      return static_cast<T>(static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + distance));
    };
    fill_blocks(x.data_ptr<T>(), x.numel(), state, [&](const Words& w) {
      return std::array<T, 2>{number(join(w[0], w[1])), number(join(w[2], w[3]))};
    });
  });
  return x.set_requires_grad(options.requires_grad());
}
Tensor randint(std::int64_t low, std::int64_t high, IntArrayRef size, TensorOptions options) {
  return randint(low, high, size, std::nullopt, options);
}
Tensor randint(std::int64_t high, IntArrayRef size, TensorOptions options) {
  return randint(0, high, size, std::nullopt, options);
}

}  // namespace backflow
