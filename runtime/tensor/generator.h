#pragma once

#include <cstdint>
#include <memory>

namespace backflow {

class Tensor;

/// A random number generator, as libtorch's: a handle, whose copies share one state.
///
/// Numbers come from Philox4x32-10 (runtime/base/philox.h). The key is the seed, and every filled tensor takes the next
/// stream. An element depends on seed, stream and row-major index alone, so a result has the same bits on any number of
/// threads. Thread-safe, but the order of racing calls decides which one gets which stream. In a closure of parallel(),
/// reading or changing the state waits for all earlier closures, unless the closure made the generator.
class Generator {
 public:
  /// All later numbers are a function of this state: save it in a checkpoint, and set it when resuming.
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t offset = 0;  ///< streams taken since the seed was set
    friend bool operator==(const State&, const State&) = default;
  };

  /// The default is PyTorch's.
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

/// The generator of random operations that are given none.
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

/// Until the end of the scope, this thread's default generator is one that starts from `state`. Other threads keep
/// theirs. Checkpointing uses this to draw the same numbers again.
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

}  // namespace backflow
