// Where ranks compute, on machines that hwloc makes up; and threads of this machine that are bound.
#include <backflow/runtime/threads/placement.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/tape/custom_function.h>
#include <backflow/runtime/threads/binding.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/runtime/threads/topology.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/engines.h>

using namespace backflow;
using namespace backflow::test;
using autograd::AutogradContext;
using autograd::variable_list;

namespace {

constexpr const char* kTwoBySixtyFour = "numa:2 core:32 pu:2";  // CPUs 2i and 2i + 1 are core i
constexpr const char* kEightBySixteen = "numa:8 core:16 pu:1";

using Numbers = std::vector<int>;

Numbers range(int first, int last, int step = 1) {
  Numbers numbers;
  for (int i = first; i <= last; i += step) {
    numbers.push_back(i);
  }
  return numbers;
}

/// Ranks of `width` CPUs each, one after the other.
std::vector<RankRequest> side_by_side(int ranks, int width) {
  std::vector<RankRequest> requests;
  for (int i = 0; i < ranks; ++i) {
    requests.push_back({.cpus = range(i * width, (i + 1) * width - 1)});
  }
  return requests;
}

std::vector<Placement> placed(const char* machine, const std::vector<RankRequest>& ranks, int size = 0) {
  const int all = size > 0 ? size : static_cast<int>(ranks.size());
  return place_ranks(Topology::synthetic(machine), ranks, {.ranks = all, .is_launched = true});
}

Placement placed_alone(const char* machine, const RankRequest& rank, int size = 1) {
  return placed(machine, {rank}, size).front();
}

}  // namespace

TEST_CASE("topology: hwloc's synthetic machines have their cores, CPUs and NUMA nodes", "[placement]") {
  const Topology two = Topology::synthetic(kTwoBySixtyFour);
  REQUIRE(two.cores.size() == 64);
  CHECK(two.cores[33].cpus == Numbers{66, 67});
  CHECK(two.cores[31].numa_node == 0);
  CHECK(two.cores[32].numa_node == 1);
  const Topology eight = Topology::synthetic(kEightBySixteen);
  REQUIRE(eight.cores.size() == 128);
  CHECK(eight.cores[127].cpus == Numbers{127});
  CHECK(eight.cores[127].numa_node == 7);
  CHECK(cores_of_cpus(two, {1, 2, 3, 126}) == Numbers{0, 2, 126});
  CHECK(cores_of_cpus(two, {1000}) == Numbers{1000});
  CHECK_THROWS_WITH(Topology::synthetic("moon:2"), StartsWith("topology: hwloc rejects \"moon:2\""));
}

TEST_CASE("topology: this machine has the CPUs that this thread may use", "[placement]") {
  const Numbers cpus = cpus_of_this_thread();
  REQUIRE_FALSE(cpus.empty());
  Numbers known;
  for (const Topology::Core& core : Topology::machine().cores) {
    known.insert(known.end(), core.cpus.begin(), core.cpus.end());
  }
  std::sort(known.begin(), known.end());
  CHECK(std::includes(known.begin(), known.end(), cpus.begin(), cpus.end()));
}

TEST_CASE("placement: one rank has a thread on each core, and interleaves memory over NUMA nodes", "[placement]") {
  const Placement p = placed_alone(kTwoBySixtyFour, {.cpus = range(0, 127)});
  CHECK(p.threads == 64);
  CHECK(p.thread_cpus == range(0, 126, 2));
  CHECK(p.cores == range(0, 126, 2));
  CHECK(p.numa_nodes == Numbers{0, 1});
  CHECK(p.is_interleaved);
  CHECK(p.communication_core == -1);  // it communicates with nobody
  CHECK_FALSE(p.shares_cores);
  CHECK_FALSE(placed_alone(kTwoBySixtyFour, {.cpus = range(0, 127), .memory = MemoryPolicy::Local}).is_interleaved);
}

TEST_CASE("placement: a rank on each NUMA node leaves its last core to communication", "[placement]") {
  const std::vector<Placement> two = placed(kTwoBySixtyFour, side_by_side(2, 64));
  for (int rank = 0; rank < 2; ++rank) {
    const Placement& p = two[static_cast<std::size_t>(rank)];
    CHECK(p.threads == 31);
    CHECK(p.thread_cpus == range(64 * rank, 64 * rank + 60, 2));
    CHECK(p.communication_core == 64 * rank + 62);
    CHECK(p.communication_cpus == Numbers{64 * rank + 62, 64 * rank + 63});
    CHECK(p.numa_nodes == Numbers{rank});
    CHECK_FALSE(p.is_interleaved);
  }
  const std::vector<Placement> eight = placed(kEightBySixteen, side_by_side(8, 16));
  for (int rank = 0; rank < 8; ++rank) {
    const Placement& p = eight[static_cast<std::size_t>(rank)];
    CHECK(p.threads == 15);
    CHECK(p.communication_cpus == Numbers{16 * rank + 15});
    CHECK(p.numa_nodes == Numbers{rank});
  }
}

TEST_CASE("placement: one rank on each of several nodes communicates too", "[placement]") {
  const Placement p = placed_alone(kEightBySixteen, {.cpus = range(0, 127)}, 4);
  CHECK(p.threads == 127);
  CHECK(p.communication_core == 127);
  CHECK(p.is_interleaved);
}

TEST_CASE("placement: ranks of fewer than eight cores share them between computing and communication", "[placement]") {
  for (const Placement& p : placed(kTwoBySixtyFour, side_by_side(16, 8))) {  // 4 cores each
    CHECK(p.threads == 4);
    CHECK(p.thread_cpus.size() == 4);
    CHECK(p.communication_core == -1);
  }
  for (const Placement& p : placed(kEightBySixteen, side_by_side(16, 8))) {
    CHECK(p.threads == 7);
    CHECK(p.communication_core >= 0);
  }
}

TEST_CASE("placement: ranks that may use the same cores have a part of them each, and are not bound", "[placement]") {
  for (const int ranks : {3, 7, 24}) {  // that leave cores over
    const std::vector<RankRequest> same(static_cast<std::size_t>(ranks), {.cpus = range(0, 127)});
    for (const Placement& p : placed(kTwoBySixtyFour, same)) {
      CHECK(p.threads == 64 / ranks);
      CHECK(p.shares_cores);
      CHECK(p.thread_cpus.empty());
      CHECK(p.communication_core == -1);
      CHECK(p.is_interleaved);
    }
  }
  // More than there are cores.
  CHECK(placed(kTwoBySixtyFour, std::vector<RankRequest>(100, {.cpus = range(0, 127)}))[99].threads == 1);
}

TEST_CASE("placement: ranks that fill the cores that all of them may use divide them", "[placement]") {
  const std::vector<Placement> p = placed(
      "core:4 pu:2",
      {{.cpus = range(0, 7), .threads = 1}, {.cpus = range(0, 7), .threads = 1}, {.cpus = range(0, 7), .threads = 2}});
  CHECK(p[0].cpus == Numbers{0, 1});
  CHECK(p[1].thread_cpus == Numbers{2});
  CHECK(p[2].cpus == Numbers{4, 5, 6, 7});
  CHECK(p[2].thread_cpus == Numbers{4, 6});
  CHECK_FALSE(p[2].shares_cores);

  for (const int ranks : {2, 8, 16, 32}) {
    const std::vector<RankRequest> same(static_cast<std::size_t>(ranks), {.cpus = range(0, 127)});
    const std::vector<Placement> parts = placed(kTwoBySixtyFour, same);
    const int cores = 64 / ranks;
    CHECK(parts.back().threads == (cores >= kCoresForCommunication ? cores - 1 : cores));
    CHECK(parts.back().cpus == range(128 - 2 * cores, 127));
    CHECK(parts.back().numa_nodes == Numbers{1});
    CHECK_FALSE(parts.back().is_interleaved);
  }

  const auto stay_shared = [](std::vector<RankRequest> ranks) {
    for (const Placement& one : placed("core:4 pu:2", ranks)) {
      CHECK(one.shares_cores);
      CHECK(one.thread_cpus.empty());
    }
  };
  const RankRequest one{.cpus = range(0, 7), .threads = 1};
  const RankRequest two{.cpus = range(0, 7), .threads = 2};
  stay_shared({one, two});       // a core is left for another job
  stay_shared({two, two, one});  // too many threads
  stay_shared({two, {.cpus = range(0, 7), .threads = 2, .binding = ThreadBinding::None}});
  stay_shared({two, {.cpus = range(2, 7), .threads = 2}});
}

TEST_CASE("placement: cores that some ranks share are divided among these", "[placement]") {
  const std::vector<Placement> p =
      placed(kEightBySixteen,
             {{.cpus = range(0, 7)}, {.cpus = range(4, 11)}, {.cpus = range(8, 11)}, {.cpus = range(12, 15)}});
  CHECK(p[0].threads == 6);  // 4 of its own, half of 4
  CHECK(p[1].threads == 4);
  CHECK(p[2].threads == 2);
  CHECK(p[3].threads == 4);
  CHECK(p[2].shares_cores);
  CHECK_FALSE(p[3].shares_cores);
  CHECK(p[2].thread_cpus.empty());
  CHECK(p[3].thread_cpus == range(12, 15));
}

TEST_CASE("placement: ranks that Open MPI binds to one core each compute with one thread", "[placement]") {
  const std::vector<Placement> p = placed(kTwoBySixtyFour, {{.cpus = {0, 1}}, {.cpus = {2, 3}}});
  CHECK(p[0].threads == 1);
  CHECK(p[1].thread_cpus == Numbers{2});
  CHECK_FALSE(p[1].shares_cores);
}

TEST_CASE("placement: two hyperthreads of a core are one core", "[placement]") {
  CHECK(placed_alone(kTwoBySixtyFour, {.cpus = range(0, 63)}).threads == 32);
  CHECK(placed_alone(kTwoBySixtyFour, {.cpus = range(0, 62, 2)}).threads == 32);
  CHECK(placed_alone(kTwoBySixtyFour, {.cpus = range(1, 63, 2)}).threads == 32);
  // Ranks bound to hyperthreads of the same cores share them.
  const std::vector<Placement> p = placed(kTwoBySixtyFour, {{.cpus = range(0, 62, 2)}, {.cpus = range(1, 63, 2)}});
  CHECK(p[0].threads == 16);
  CHECK(p[1].shares_cores);
}

TEST_CASE("placement: threads that were asked for go to cores first, then to hyperthreads", "[placement]") {
  const char* const small = "numa:1 core:4 pu:2";
  const RankRequest all{.cpus = range(0, 7)};
  const auto with = [&](int threads) {
    RankRequest rank = all;
    rank.threads = threads;
    return placed_alone(small, rank);
  };
  CHECK(with(4).thread_cpus == Numbers{0, 2, 4, 6});
  CHECK(with(6).thread_cpus == Numbers{0, 2, 4, 6, 1, 3});
  CHECK(with(8).thread_cpus == Numbers{0, 2, 4, 6, 1, 3, 5, 7});
  CHECK(with(9).threads == 9);
  CHECK(with(9).thread_cpus.empty());  // more than there is room for
  CHECK(with(3).thread_cpus.empty());  // the system may choose the cores
}

TEST_CASE("placement: threads are bound when that is asked for, or a launcher has reserved the cores", "[placement]") {
  const Topology machine = Topology::synthetic(kEightBySixteen);
  const auto bound = [&](RankRequest rank, bool is_launched) {
    rank.cpus = range(0, 15);
    return place_ranks(machine, {rank}, {.ranks = 2, .is_launched = is_launched}).front();
  };
  CHECK(bound({}, false).thread_cpus.empty());
  CHECK(bound({}, false).threads == 16);
  CHECK(bound({}, true).thread_cpus.size() == 15);
  CHECK(bound({.binding = ThreadBinding::None}, true).thread_cpus.empty());
  CHECK(bound({.binding = ThreadBinding::None}, true).threads == 16);
  CHECK(bound({.binding = ThreadBinding::Cores}, false).thread_cpus.size() == 15);
  const Placement few = bound({.threads = 4, .binding = ThreadBinding::Cores}, true);
  CHECK(few.thread_cpus == range(0, 3));
  CHECK(few.communication_core == 15);
  // All cores were asked for: communication has none for itself.
  CHECK(bound({.threads = 16}, true).thread_cpus == range(0, 15));
  CHECK(bound({.threads = 16}, true).communication_core == -1);
}

TEST_CASE("placement: CPUs that hwloc does not know of are cores", "[placement]") {
  const Placement p = place_ranks({}, {{.cpus = {3, 5}}}, {.ranks = 1, .is_launched = true}).front();
  CHECK(p.threads == 2);
  CHECK(p.thread_cpus == Numbers{3, 5});
  CHECK(p.numa_nodes == Numbers{0});
  CHECK(place_ranks({}, {{}}, {}).front().threads == 1);
}

namespace {

/// The CPUs that each of the pool's threads may use while it works on a loop; the caller's first.
std::vector<Numbers> cpus_of_pool(int threads) {
  std::vector<Numbers> seen(static_cast<std::size_t>(threads));
  std::atomic<int> arrived{0};
  std::atomic<int> workers{0};
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const std::thread::id caller = std::this_thread::get_id();
  parallel_for(threads, [&](std::int64_t) {
    const int place = std::this_thread::get_id() == caller ? 0 : 1 + workers.fetch_add(1);
    if (place < threads) {
      seen[static_cast<std::size_t>(place)] = cpus_of_this_thread();
    }
    // No thread is through with its chunk until all threads have one.
    for (++arrived; arrived < threads && std::chrono::steady_clock::now() < limit; std::this_thread::yield()) {
    }
  });
  return seen;
}

}  // namespace

TEST_CASE("binding: each worker of the pool has its CPU, until binding ends", "[placement]") {
  const Numbers cpus = cpus_of_this_thread();
  const int n = std::min(static_cast<int>(cpus.size()), 4);
  if (n < 2) {
    WARN("not tested: threads that are bound to different CPUs: need two");
    return;
  }
  const Threads threads(n);
  Placement p{.threads = n, .cpus = cpus};
  cpus_of_pool(n);  // workers that are there already are bound too
  p.thread_cpus.assign(cpus.begin(), cpus.begin() + n);
  REQUIRE(bind_pool(p));
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::vector<Numbers> seen = cpus_of_pool(n);
    CHECK(seen[0] == p.thread_cpus);
    std::set<Numbers> own(seen.begin() + 1, seen.end());
    CHECK(own.size() == static_cast<std::size_t>(n - 1));
    for (const Numbers& one : own) {
      CHECK(one.size() == 1);
      CHECK(std::find(p.thread_cpus.begin() + 1, p.thread_cpus.end(), one.front()) != p.thread_cpus.end());
    }
  }
  p.thread_cpus.clear();
  REQUIRE(bind_pool(p));
  for (const Numbers& one : cpus_of_pool(n)) {
    CHECK(one == cpus);
  }
}

namespace {

/// The identity, whose backward waits until it runs on a second thread too.
struct Meet : autograd::Function<Meet> {
  static Tensor forward(AutogradContext*, const Tensor& x) { return x.clone(); }
  static variable_list backward(AutogradContext*, variable_list dy) {
    ++arrived;
    if (std::this_thread::get_id() != caller) {
      worker_cpus = cpus_of_this_thread();
    }
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (arrived < 2 && std::chrono::steady_clock::now() < limit) {
      std::this_thread::yield();
    }
    return dy;
  }

  static inline std::atomic<int> arrived{0};
  static inline std::thread::id caller;
  static inline Numbers worker_cpus;
};

}  // namespace

TEST_CASE("binding: workers are bound in flow graphs too, in those that were made before as well", "[placement]") {
  const Numbers cpus = cpus_of_this_thread();
  if (cpus.size() < 2) {
    WARN("not tested: threads that are bound to different CPUs: need two");
    return;
  }
  const Threads threads(2);
  FlowEngine engine(FlowEngine::Use::Always);
  const EngineGuard guard(engine);
  const Tensor x = ones({1 << 20});  // small nodes would be one task
  x.set_requires_grad(true);
  // Two branches that wait for each other run on two threads.
  const auto pass = [&] {
    Meet::arrived = 0;
    Meet::caller = std::this_thread::get_id();
    (Meet::apply(x) + Meet::apply(x)).sum().backward();
    return Meet::worker_cpus;
  };
  CHECK(pass() == cpus);
  Placement p{.threads = 2, .cpus = cpus, .thread_cpus = {cpus[0], cpus[1]}};
  REQUIRE(bind_pool(p));
  CHECK(pass() == Numbers{cpus[1]});
  FlowEngine fresh(FlowEngine::Use::Always);
  {
    const EngineGuard with_fresh(fresh);
    CHECK(pass() == Numbers{cpus[1]});
  }
  p.thread_cpus.clear();
  REQUIRE(bind_pool(p));
  CHECK(pass() == cpus);
}

TEST_CASE("binding: workers that find no CPU of their own may use all that the pool has", "[placement]") {
  const Numbers cpus = cpus_of_this_thread();
  const Threads threads(3);
  Placement p{.threads = 3, .cpus = cpus, .thread_cpus = {cpus.front()}};
  REQUIRE(bind_pool(p));
  for (const Numbers& one : cpus_of_pool(3)) {
    CHECK(one == p.thread_cpus);
  }
  p.thread_cpus.clear();
  REQUIRE(bind_pool(p));
}
