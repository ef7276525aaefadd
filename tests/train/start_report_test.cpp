#include <backflow/train/run/start_report.h>

#include <limits>
#include <numeric>
#include <set>

#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/dropout.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/run/places.h>
#include <backflow/train/run/rank_list.h>

using namespace backflow;
using namespace backflow::train;

namespace {

std::vector<int> cores(int first, int last) {
  std::vector<int> all(static_cast<std::size_t>(last - first + 1));
  std::iota(all.begin(), all.end(), first);
  return all;
}

RankPlace place(const std::string& host, const std::vector<int>& own, int threads, const std::vector<int>& job = {}) {
  RankPlace place{.host = host, .placement = {}, .job_cores = job, .instruction_sets = "A"};
  place.placement.threads = threads;
  place.placement.cpus = place.placement.cores = own;
  place.placement.numa_nodes = {0};
  return place;
}

/// The ranks of one job on a node "a", which is its own, placed.
std::vector<RankPlace> placed(const std::string& machine, const std::vector<RankRequest>& ranks) {
  const Topology topology = Topology::synthetic(machine);
  std::vector<int> all;
  std::set<int> numa_nodes;
  for (const Topology::Core& core : topology.cores) {
    all.push_back(core.cpus.front());
    numa_nodes.insert(core.numa_node);
  }
  std::vector<RankPlace> places;
  for (const Placement& placement :
       place_ranks(topology, ranks, {.ranks = static_cast<int>(ranks.size()), .is_launched = true})) {
    places.push_back({.host = "a",
                      .placement = placement,
                      .job_cores = all,
                      .numa_nodes = static_cast<int>(numa_nodes.size()),
                      .instruction_sets = "A"});
  }
  return places;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("places: lists of numbers and ranks") {
  CHECK(number_list({0, 1, 2, 3, 8}) == "0-3,8");
  CHECK(number_list({}).empty());
  CHECK(core_list({0, 2, 4, 6}) == "0-6:2");
  CHECK(core_list({0, 2}) == "0,2");
  CHECK(core_list({0, 1, 2, 5, 8, 11, 20}) == "0-2,5-11:3,20");
  CHECK(core_list({}).empty());
  CHECK(rank_list({4}) == "rank 4");
  CHECK(rank_list({0, 1, 5}) == "ranks 0-1,5");
}

TEST_CASE("places: a line for each node with the binding of each rank") {
  CHECK(describe_places({place("a", {0}, 1)}) == Lines{"a: rank 0: 1 thread, core 0"});
  CHECK(describe_places({place("a", {0}, 1), place("a", {1}, 1)}) ==
        Lines{"a: rank 0: 1 thread, core 0; rank 1: 1 thread, core 1"});
  CHECK(describe_places({place("a", cores(0, 3), 2), place("b", cores(0, 1), 2), place("a", cores(0, 3), 2)}) ==
        Lines{"a: ranks 0,2: 2 threads each, cores 0-3", "b: rank 1: 2 threads, cores 0-1"});
  const std::vector<RankPlace> many = [] {
    std::vector<RankPlace> all;
    for (int i = 0; i < 40; ++i) {
      all.push_back(place("node" + std::to_string(i), {0}, 1));
    }
    return all;
  }();
  CHECK(describe_places(many).size() == 33);
  CHECK(describe_places(many).back() == "and 8 more nodes");
}

TEST_CASE("places: NUMA nodes, bound threads and the core of communication are named") {
  const std::string machine = "numa:2 core:32 pu:2";
  CHECK(describe_places(placed(machine, {{.cpus = cores(0, 63)}, {.cpus = cores(64, 127)}})) ==
        Lines{"a: rank 0: 31 bound threads, cores 0-60:2, NUMA node 0, communication on core 62; rank 1: 31 bound "
              "threads, cores 64-124:2, NUMA node 1, communication on core 126"});
  CHECK(placement_warnings(placed(machine, {{.cpus = cores(0, 63)}, {.cpus = cores(64, 127)}})).empty());
  CHECK(describe_places(placed(machine, {{.cpus = cores(0, 127)}})) ==
        Lines{"a: rank 0: 64 bound threads, cores 0-126:2, NUMA nodes 0-1, memory interleaved"});
  CHECK(placement_warnings(placed(machine, {{.cpus = cores(0, 127)}})).empty());
  CHECK(describe_places(placed(machine, {{.cpus = cores(0, 127), .memory = MemoryPolicy::Local}})) ==
        Lines{"a: rank 0: 64 bound threads, cores 0-126:2, NUMA nodes 0-1, memory where it is touched"});
}

TEST_CASE("places: ranks that span NUMA nodes side by side are warned of") {
  const std::vector<RankPlace> free =
      placed("numa:2 core:4 pu:1", {{.cpus = cores(0, 7), .binding = ThreadBinding::None}, {.cpus = cores(0, 7)}});
  CHECK(describe_places(free) == Lines{"a: ranks 0-1: 4 threads each, cores 0-7, NUMA nodes 0-1, memory interleaved"});
  CHECK(placement_warnings(free) ==
        Lines{"a: ranks 0-1 have cores of several NUMA nodes, so much of the memory is far away: need "
              "scripts/mpirun.sh --per numa, or srun --cpu-bind=ldoms"});
}

TEST_CASE("places: hyperthreads used as cores are warned of, those that are free are no idle cores") {
  const std::string machine = "numa:1 core:4 pu:2";
  CHECK(placement_warnings(placed(machine, {{.cpus = {0, 2, 4, 6}}})).empty());
  CHECK(placement_warnings(placed(machine, {{.cpus = cores(0, 7), .threads = 8}})) ==
        Lines{"a: rank 0 has 8 threads on cores 0-6:2, hyperthreads used as cores: need fewer --threads"});
  CHECK(placement_warnings(placed(machine, {{.cpus = cores(0, 7), .threads = 9}})) ==
        Lines{"a: rank 0 has 9 threads on cores 0-6:2: need fewer --threads"});
  CHECK(placement_warnings(placed(machine, {{.cpus = {0, 2, 4, 6}}, {.cpus = {1, 3, 5, 7}}})).empty());
  CHECK(placement_warnings(placed(machine, {{.cpus = {0}}, {.cpus = {1}}})) ==
        Lines{"a: ranks 0-1 have 2 threads on core 0, hyperthreads used as cores: need fewer ranks or --threads, or "
              "mpirun --bind-to none",
              "a: 3 of the job's 4 cores are idle: its ranks are bound to core 0: need mpirun --bind-to none, or "
              "scripts/mpirun.sh, to use cores 2-6:2"});
}

TEST_CASE("places: a system that refuses to bind is warned of") {
  std::vector<RankPlace> all = {place("a", {0}, 1), place("b", {0}, 1)};
  all[1].is_refused = true;
  CHECK(placement_warnings(all) ==
        Lines{"b: rank 1: the system refuses to bind threads or to interleave memory: need a container that allows "
              "sched_setaffinity and set_mempolicy; slower without"});
}

TEST_CASE("places: more threads than cores are warned of, for ranks whose cores overlap in any way") {
  CHECK(placement_warnings({place("a", cores(0, 1), 2)}).empty());
  CHECK(placement_warnings({place("a", cores(0, 1), 999)}) ==
        Lines{"a: rank 0 has 999 threads on cores 0-1: need fewer --threads"});
  CHECK(placement_warnings({place("a", {0}, 1), place("a", {1}, 1)}).empty());
  CHECK(placement_warnings({place("a", {0}, 1), place("b", {0}, 1)}).empty());
  CHECK(placement_warnings({place("a", {0}, 1), place("a", {0}, 1)}) ==
        Lines{"a: ranks 0-1 have 2 threads on core 0: need fewer ranks or --threads"});
  // 0-1, 1-2 and 2-3 hang together: six threads on four cores.
  CHECK(placement_warnings({place("a", cores(0, 1), 2), place("a", cores(2, 3), 2), place("a", cores(1, 2), 2)}) ==
        Lines{"a: ranks 0-2 have 6 threads on cores 0-3: need fewer ranks or --threads"});
}

TEST_CASE("places: cores of the job that no rank may use are warned of") {
  const std::vector<int> job = cores(0, 63);
  CHECK(placement_warnings({place("a", {0}, 1, job)}) ==
        Lines{"a: 63 of the job's 64 cores are idle: its rank is bound to core 0: need mpirun --bind-to none, or "
              "scripts/mpirun.sh, to use cores 1-63"});
  CHECK(placement_warnings({place("a", job, 64, job)}).empty());
  CHECK(placement_warnings({place("a", cores(0, 31), 1, job), place("a", cores(32, 63), 1, job)}).empty());
  CHECK(placement_warnings({place("a", {0}, 1, {0, 1}), place("b", {0, 1}, 2, {0, 1})}) ==
        Lines{"a: 1 of the job's 2 cores is idle: its rank is bound to core 0: need mpirun --bind-to none, or "
              "scripts/mpirun.sh, to use core 1"});
  CHECK(placement_warnings({place("a", {0}, 1, {0, 1}), place("a", {0}, 1, {0, 1})}) ==
        Lines{"a: ranks 0-1 have 2 threads on core 0: need fewer ranks or --threads, or mpirun --bind-to none",
              "a: 1 of the job's 2 cores is idle: its ranks are bound to core 0: need mpirun --bind-to none, or "
              "scripts/mpirun.sh, to use core 1"});
}

TEST_CASE("places: nodes of different instruction sets are warned of") {
  RankPlace other = place("b", {0}, 1);
  other.instruction_sets = "B";
  CHECK(placement_warnings({place("a", {0}, 1), other}) ==
        Lines{"ranks have different instruction sets: A on rank 0; B on rank 1: results differ in their last bits from "
              "those of equal nodes"});
}

TEST_CASE("platform: OMP_NUM_THREADS has no effect, which is said when it asks for something else") {
  CHECK(openmp_note(nullptr, 0, 2).empty());
  CHECK(openmp_note("2", 0, 2).empty());
  CHECK(openmp_note("8", 2, 2).empty());
  CHECK(openmp_note("1", 0, 2) ==
        "OMP_NUM_THREADS=1 has no effect, 2 threads compute: need --threads to have another number");
  CHECK(openmp_note("4,2", 0, 1) ==
        "OMP_NUM_THREADS=4,2 has no effect, 1 thread computes: need --threads to have another number");
}

TEST_CASE("start report: numbers are grouped, lines are wrapped") {
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1000) == "1,000");
  CHECK(with_commas(60000) == "60,000");
  CHECK(with_commas(1234567) == "1,234,567");
  CHECK(with_commas(-123456) == "-123,456");
  CHECK(with_commas(std::numeric_limits<std::int64_t>::min()) == "-9,223,372,036,854,775,808");
  CHECK(wrapped("one two three", 7) == "one two\n  three");
  CHECK(wrapped("one two", 80) == "one two");
  CHECK(wrapped("longerthanwidth a", 5) == "longerthanwidth\n  a");
}

TEST_CASE("start report: micro-batches of a model that doesn't compute sample by sample are noted") {
  const auto note = [](nn::Sequential network, std::int64_t micro_batches) {
    return micro_batches_note({.module = network.ptr(), .forward = {}}, micro_batches);
  };
  const nn::Sequential plain(nn::Linear(2, 2));
  const nn::Sequential norm(nn::Linear(2, 2), nn::Sequential(nn::BatchNorm1d(2)));
  const nn::Sequential drop(nn::Dropout(0.5));
  const nn::Sequential both(nn::BatchNorm1d(2), nn::Dropout(0.5));
  CHECK(note(plain, 4).empty());
  CHECK(note(norm, 1).empty());
  CHECK(note(norm, 4) ==
        "train.micro_batches = 4 computes something else than whole batches: batch norm takes the statistics of each "
        "part");
  CHECK_THAT(note(drop, 2), EndsWith("dropout draws anew for each part"));
  CHECK_THAT(note(both, 2), EndsWith("batch norm takes the statistics of each part, and dropout draws anew"));
}
