#include <backflow/distributed/rank_place.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include <backflow/runtime/threads/binding.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::distributed;

namespace {

/// Gives the process back what place_this_rank() took, at the end of the scope.
struct Unplaced {
  ~Unplaced() {
    set_num_threads(threads);
    Placement all;
    all.cpus = cpus;
    bind_pool(all);
  }
  int threads = get_num_threads();
  std::vector<int> cpus = cpus_of_this_thread();
};

}  // namespace

TEST_CASE("rank place: what a rank tells the others arrives as it was", "[rank_place]") {
  RankPlace sent;
  sent.host = "node 1";
  sent.placement = {.threads = 7,
                    .cpus = {0, 1, 2, 3},
                    .cores = {0, 2},
                    .numa_nodes = {1},
                    .thread_cpus = {0, 1, 3},
                    .communication_cpus = {2, 3},
                    .communication_core = 2,
                    .shares_cores = true,
                    .is_interleaved = true};
  sent.job_cores = std::vector<int>(64);
  std::iota(sent.job_cores.begin(), sent.job_cores.end(), 0);
  sent.numa_nodes = 4;
  sent.is_refused = true;
  sent.instruction_sets = "oneDNN avx2, Highway AVX2";
  const RankPlace got = RankPlace::from(sent.text());
  CHECK(got.host == sent.host);
  CHECK(got.placement == sent.placement);
  CHECK(got.job_cores == sent.job_cores);
  CHECK(got.numa_nodes == 4);
  CHECK(got.is_refused);
  CHECK(got.instruction_sets == sent.instruction_sets);
  CHECK(RankPlace::from(RankPlace().text()).placement == Placement());
}

TEST_CASE("rank place: every rank computes as the place says that all ranks have of it", "[rank_place]") {
  const auto world = Communicator::world();
  const Unplaced restore;
  const std::vector<RankPlace> all = place_this_rank(*world);
  REQUIRE(all.size() == static_cast<std::size_t>(world->size()));
  const RankPlace& own = all[static_cast<std::size_t>(world->rank())];
  CHECK(own.placement.threads == get_num_threads());
  // These tests run unbound: ranks divide the cores where that comes out even, and share them otherwise.
  const Placement& p = own.placement;
  CHECK(std::includes(restore.cpus.begin(), restore.cpus.end(), p.cpus.begin(), p.cpus.end()));
  if (world->local_size() == 1 || p.shares_cores) {
    CHECK(p.cpus == restore.cpus);
  } else {
    CHECK(p.thread_cpus.size() == static_cast<std::size_t>(p.threads));
  }
  CHECK_FALSE(own.is_refused);
}

TEST_CASE("rank place: each rank may ask for another number of threads", "[rank_place]") {
  const auto world = Communicator::world();
  const Unplaced restore;
  const std::vector<RankPlace> all = place_this_rank(*world, {.threads = 1 + world->rank()});
  CHECK(get_num_threads() == 1 + world->rank());
  for (int rank = 0; rank < world->size(); ++rank) {
    CHECK(all[static_cast<std::size_t>(rank)].placement.threads == 1 + rank);
  }
}
