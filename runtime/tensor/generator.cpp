#include <backflow/runtime/tensor/generator.h>

#include <mutex>

#include <backflow/runtime/threads/branch.h>
#include <backflow/runtime/threads/thread_state.h>

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

void manual_seed(std::uint64_t seed) { default_generator().set_current_seed(seed); }

}  // namespace backflow
