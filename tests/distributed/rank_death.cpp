// A job that loses a rank in the way that is asked for; tests/distributed/rank_death_test.sh looks at how it ends.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

#include <backflow/distributed/calls/reduction_tag.h>
#include <backflow/runtime/engine/completion.h>
#include <backflow/tests/distributed/support.h>

using namespace backflow;
using namespace backflow::distributed;

namespace {

constexpr int kVictim = 1;

/// Not needed for the test to be right: makes it likely that the others are where the test wants them.
void let_the_others_arrive() { usleep(300'000); }

void reduce_for_ever(Communicator& world) {
  const Tensor x = test::filled({1'000'000}, 1);
  for (;;) {
    world.all_reduce_sum(x);
  }
}

/// As in training: asynchronously, with the number of the step.
void train_for_ever(Communicator& world) {
  const Tensor x = world.allocate(1'000'000, kFloat32);
  for (std::int64_t step = 1;; ++step) {
    world.note_step(step);
    for (const std::int64_t bucket : {0, 1, 2}) {
      start_and_wait([&](Completion done) {
        world.all_reduce_async(x, ReductionTag{step, bucket}.value(), std::move(done));
      });
      if (world.rank() == kVictim && step == 7 && bucket == 1) {
        std::fprintf(stderr, "process %d stops\n", getpid());
        raise(SIGSTOP);
      }
    }
  }
}

/// What the victim does. It may return: a main() that has caught its exception does.
void die(const std::string& how, Communicator& world) {
  let_the_others_arrive();
  if (how == "kill" || how == "kill_before_end") {
    kill(getpid(), SIGKILL);
  } else if (how == "abort") {
    std::fprintf(stderr, "rank %d gives up\n", world.rank());
    world.abort(3);
  } else if (how == "throw") {
    throw std::runtime_error("rank 1 has had enough");
  } else if (how == "exit") {
    std::exit(0);
  } else if (how != "leave") {
    std::abort();
  }
}

void run(const std::string& how) {
  const auto world = Communicator::world();
  if (how == "stop" || how == "stop_and_tell") {
    const bool tells = how == "stop_and_tell";
    world->set_wait_limits({.timeout_s = tells ? 6.0 : 3.0, .warn_s = tells ? 1.0 : 10.0});
    train_for_ever(*world);
  } else if (how == "stop_and_ask") {
    // As a program whose signal handler sets a flag.
    world->set_wait_limits({.timeout_s = 60, .warn_s = 1, .stop_requested = [] { return true; }});
    train_for_ever(*world);
  } else if (world->rank() == kVictim) {
    die(how, *world);
  } else if (how != "kill_before_end") {
    reduce_for_ever(*world);
  }
}

}  // namespace

int rank_death(const std::string& how) {
  try {
    run(how);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "caught on rank %d: %s\n", environment_rank(), error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
