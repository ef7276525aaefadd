// All-reduce of float32 numbers between the ranks of this machine, ours against MPI_Allreduce in place, by turns: to be
// started by mpirun, as `bench_all_reduce [SECONDS]`. Prints one line of JSON for 1 and for 25 MB: the median and the
// least time in microseconds, each the slowest rank's, and the processor time of all ranks. Checks first that every
// rank has the sum in the order of the ranks, bit for bit.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <backflow/distributed/communicator.h>
#include <backflow/runtime/base/error.h>

#include <backflow/bench/harness.h>

namespace {

using backflow::Tensor;
using backflow::distributed::Communicator;

float element(std::int64_t i, int rank) { return 1.0F / static_cast<float>(1 + (i * 7 + rank * 13) % 1009); }

void fill(const Tensor& x, int rank) {
  auto* data = x.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    data[i] = element(i, rank);
  }
}

void check_sum(Communicator& world, const Tensor& x) {
  fill(x, world.rank());
  world.all_reduce_sum(x);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    float sum = element(i, 0);
    for (int rank = 1; rank < world.size(); ++rank) {
      sum += element(i, rank);
    }
    backflow::check(x.const_data_ptr<float>()[i] == sum, "element ", i, " is ", x.const_data_ptr<float>()[i],
                    ": need the sum in the order of the ranks, ", sum);
  }
}

double processor_time() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

/// Times of single calls, on this rank, and the processor time of all of them.
struct Side {
  std::function<void()> call;
  std::vector<double> times = {};
  double processor = 0;

  void run() {
    const double before = processor_time();
    const auto start = bench::Clock::now();
    call();
    times.push_back(bench::microseconds(start, bench::Clock::now()));
    processor += processor_time() - before;
  }
};

/// Of each call that of the slowest rank.
std::vector<double> slowest(Communicator& world, const std::vector<double>& mine) {
  std::vector<double> all(mine.size(), 0);
  const auto bytes = mine.size() * sizeof(double);
  for (const std::string& text : world.all_gather(std::string(reinterpret_cast<const char*>(mine.data()), bytes))) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      double time = 0;
      std::memcpy(&time, text.data() + i * sizeof time, sizeof time);
      all[i] = std::max(all[i], time);
    }
  }
  return all;
}

std::string json_of(Communicator& world, Side& side) {
  const std::vector<double> times = slowest(world, side.times);
  double processor = side.processor / static_cast<double>(side.times.size());
  world.all_reduce_sum({&processor, 1});
  return backflow::to_text("{\"median_us\": ", bench::median(times),
                           ", \"least_us\": ", *std::min_element(times.begin(), times.end()),
                           ", \"processor_us\": ", processor, "}");
}

void measure(Communicator& world, std::int64_t bytes, double seconds) {
  const Tensor x = world.allocate(bytes / 4, backflow::kFloat32);
  check_sum(world, x);
  Side ours{[&] { world.all_reduce_sum(x); }};
  // On this thread, as a program without Backflow would: no other one is in MPI meanwhile.
  Side theirs{[&] {
    MPI_Allreduce(MPI_IN_PLACE, x.data_ptr(), static_cast<int>(x.numel()), MPI_FLOAT, MPI_SUM,
                  *static_cast<MPI_Comm*>(world.native_handle()));
  }};
  const auto start = bench::Clock::now();
  for (std::int64_t go = 1; go == 1;) {
    for (Side* side : {&ours, &theirs}) {
      fill(x, world.rank());
      world.barrier();
      side->run();
      world.barrier();  // else who is done fills, on a core that another rank needs to be done
    }
    go = bench::microseconds(start, bench::Clock::now()) < seconds * 1e6 ? 1 : 0;
    std::int64_t all = go;
    world.all_reduce_sum({&all, 1});
    go = all == world.size() ? 1 : 0;
  }
  const std::string us = json_of(world, ours);
  const std::string them = json_of(world, theirs);
  if (world.rank() == 0) {
    std::printf("{\"name\": \"allreduce_%lldmb_%d\", \"ours\": %s, \"mpi\": %s}\n", static_cast<long long>(bytes >> 20),
                world.size(), us.c_str(), them.c_str());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto world = Communicator::world();
    const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
    for (const std::int64_t megabytes : {1, 25}) {
      measure(*world, megabytes << 20, seconds);
    }
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_all_reduce: error: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
