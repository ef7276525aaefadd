// A job that loses a rank in the way that is asked for; tests/distributed/rank_death_test.sh looks at how it ends.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

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
  if (world->rank() == kVictim) {
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
