#include <backflow/train/run/start_report.h>

#include <limits>
#include <numeric>

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
  return {.host = host, .cores = own, .job_cores = job, .threads = threads, .instruction_sets = "A"};
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("places: lists of numbers and ranks") {
  CHECK(number_list({0, 1, 2, 3, 8}) == "0-3,8");
  CHECK(number_list({}).empty());
  CHECK(rank_list({4}) == "rank 4");
  CHECK(rank_list({0, 1, 5}) == "ranks 0-1,5");
}

TEST_CASE("places: what a rank tells the others arrives as it was") {
  RankPlace sent = place("node 1", {0, 2, 3}, 7, cores(0, 63));
  sent.instruction_sets = "oneDNN avx2, Highway AVX2";
  const RankPlace got = RankPlace::from(sent.text());
  CHECK(got.host == sent.host);
  CHECK(got.cores == sent.cores);
  CHECK(got.job_cores == sent.job_cores);
  CHECK(got.threads == 7);
  CHECK(got.instruction_sets == sent.instruction_sets);
  CHECK(RankPlace::from(place("h", {}, 1).text()).cores.empty());
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
