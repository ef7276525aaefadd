#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <backflow/runtime/tensor.h>

namespace backflow {

/// A source of random numbers: a handle, whose copies draw from the same source, as libtorch's.
///
/// Numbers come from Philox4x32-10 (runtime/philox.h): the key is the seed, and every filled tensor takes the next
/// stream. An element's number depends on seed, stream and row-major index alone, so that a result is bitwise the same
/// on any number of threads. Thread-safe, but calls that race decide by their order who gets which stream. In a closure
/// of parallel() whatever reads or changes a generator's state waits for the closures before it, unless the generator
/// was made in that closure.
class Generator {
 public:
  /// What a Generator does next is a function of its state: save it in a checkpoint, set it when resuming.
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t offset = 0;  ///< streams taken since the seed was set
    friend bool operator==(const State&, const State&) = default;
  };

  /// PyTorch's default seed unless said otherwise.
  explicit Generator(std::uint64_t seed = 67280421310721);

  std::uint64_t current_seed() const { return state().seed; }
  /// Starts again, with this seed.
  void set_current_seed(std::uint64_t seed) { set_state({seed, 0}); }
  State state() const;
  void set_state(const State& state);
  /// The same as a uint8 tensor, as libtorch has it.
  Tensor get_state() const;
  void set_state(const Tensor& state);
  /// The seed and a stream that no other call gets.
  State take_stream();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

/// The generator of every random operation that is not given one.
Generator& default_generator();

// libtorch's names.
namespace detail {
inline Generator createCPUGenerator(std::uint64_t seed = 67280421310721) { return Generator(seed); }
inline Generator& getDefaultCPUGenerator() { return default_generator(); }
}  // namespace detail

/// Starts the default generator again, with this seed.
void manual_seed(std::uint64_t seed);

/// The state of the default generator, a uint8 tensor.
Tensor get_rng_state();
void set_rng_state(const Tensor& state);

/// Until the end of the scope, this thread's default generator is one that starts from `state`; that of the other
/// threads goes on as it was. What runs a piece of a forward again draws the same numbers so.
class DefaultGeneratorGuard {
 public:
  explicit DefaultGeneratorGuard(const Generator::State& state);
  ~DefaultGeneratorGuard();
  DefaultGeneratorGuard(const DefaultGeneratorGuard&) = delete;
  DefaultGeneratorGuard& operator=(const DefaultGeneratorGuard&) = delete;

 private:
  Generator generator_;
  Generator* previous_;
};

/// Uniform numbers in [0, 1), float32 or float64, with 24 or 53 random bits. Throws Error for other dtypes.
Tensor rand(IntArrayRef size, TensorOptions options = {});
Tensor rand(IntArrayRef size, std::optional<Generator> generator, TensorOptions options = {});

/// With the sizes of `input`, and its dtype unless the options name one.
Tensor rand_like(const Tensor& input, TensorOptions options = {});
Tensor randn_like(const Tensor& input, TensorOptions options = {});

/// Standard normal numbers, float32 or float64, by Box and Muller's transformation ("A note on the generation of random
/// normal deviates", 1958). Throws Error for other dtypes.
Tensor randn(IntArrayRef size, TensorOptions options = {});
Tensor randn(IntArrayRef size, std::optional<Generator> generator, TensorOptions options = {});

/// Integers from `low` (0 unless said) to `high` - 1, of any dtype, int64 unless said. No number is more probable than
/// another by more than (high - low) / 2^64. Throws Error unless low < high.
Tensor randint(std::int64_t high, IntArrayRef size, TensorOptions options = kInt64);
Tensor randint(std::int64_t low, std::int64_t high, IntArrayRef size, TensorOptions options = kInt64);
Tensor randint(std::int64_t low, std::int64_t high, IntArrayRef size, std::optional<Generator> generator,
               TensorOptions options = kInt64);

/// Fills a tensor, of any strides, with uniform numbers in [from, to), or with `from` when they are equal; returns it.
/// Throws Error for integers, for from > to, and for a leaf that requires a gradient while operations are recorded.
const Tensor& uniform_(const Tensor& self, double from = 0, double to = 1,
                       std::optional<Generator> generator = std::nullopt);

/// Fills a tensor, of any strides, with normal numbers of this mean and standard deviation; returns it. Errors as for
/// `uniform_`, and for a negative `std`.
const Tensor& normal_(const Tensor& self, double mean = 0, double std = 1,
                      std::optional<Generator> generator = std::nullopt);

}  // namespace backflow
