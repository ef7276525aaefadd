// A program that has initialised MPI itself, at the thread level that is asked for, and trains on a part of the world;
// tests/distributed/own_mpi_test.sh starts it.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <map>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/error_of.h>

using namespace backflow;
using namespace backflow::distributed;

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (!holds) {
    std::printf("FAILED: %s\n", what);
    ++failures;
  }
}

bool says(const std::string& error, const char* text) { return error.find(text) != std::string::npos; }

/// The parameters after some steps on the ranks of `ranks`, which share the batch; of a job of one if null.
std::vector<Tensor> trained(const std::shared_ptr<Communicator>& ranks, bool in_one_pass) {
  const int size = ranks ? ranks->size() : 1;
  const int rank = ranks ? ranks->rank() : 0;
  manual_seed(1);
  nn::Sequential model(nn::Linear(8, 32), nn::Tanh(), nn::Linear(32, 4));
  model->to(kFloat64);
  optim::SGD optimizer(model->parameters(), optim::SGDOptions(0.1).momentum(0.9));
  const Tensor x = test::random_tensor({12, 8}, "x", kFloat64);
  const Tensor part = x.slice(0, rank, 12, size);
  std::unique_ptr<DataParallel> parallel;
  if (ranks) {
    parallel = std::make_unique<DataParallel>(model->parameters(), ranks);
  }
  std::unique_ptr<TrainingStep> step;
  if (ranks && in_one_pass) {
    step = std::make_unique<TrainingStep>(*parallel, optimizer);
  }
  for (int i = 0; i < 10; ++i) {
    const Tensor loss = model(part).pow(2).sum() / 12;
    if (step) {
      step->backward(loss);
      continue;
    }
    ranks ? parallel->backward(loss) : loss.backward();
    optimizer.step();
    optimizer.zero_grad();
  }
  std::vector<Tensor> values;
  for (const Tensor& p : model->parameters()) {
    values.push_back(p.detach().clone());
  }
  return values;
}

double difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, (a[i] - b[i]).abs().max().item<double>());
  }
  return most;
}

void check_part(MPI_Comm comm, int level) {
  const auto ranks = Communicator::from(comm);
  int size = 0;
  int rank = 0;
  MPI_Comm_size(comm, &size);
  MPI_Comm_rank(comm, &rank);
  expect(ranks->size() == size && ranks->rank() == rank, "ranks are those of the MPI_Comm");
  expect(ranks->has_thread() == (level == MPI_THREAD_MULTIPLE) || size == 0, "a thread where MPI serves several");
  const Tensor x = test::filled({1000}, rank + 1);
  ranks->all_reduce_sum(x);
  expect(test::all_equal(x, size * (size + 1) / 2), "sum over the part");
  expect(ranks->all_gather(std::to_string(rank)).size() == static_cast<std::size_t>(size), "texts of the part");
  const std::vector<Tensor> alone = trained(nullptr, false);
  expect(difference(trained(ranks, false), alone) <= 1e-14, "DataParallel::backward trains as one rank");
  expect(difference(trained(ranks, true), alone) <= 1e-14, "TrainingStep trains as one rank");
  if (size > 1 && level < MPI_THREAD_SERIALIZED) {
    const std::string error =
        std::async(std::launch::async, [&] { return test::error_of([&] { ranks->barrier(); }); }).get();
    expect(says(error, "MPI_THREAD_SERIALIZED"), "another thread is told what to do");
  }
  if (level == MPI_THREAD_MULTIPLE) {
    const auto copy = ranks->duplicate();
    copy->barrier();
    expect(copy->size() == size, "a duplicate has the same ranks");
  }
}

}  // namespace

int own_mpi(const std::string& level) {
  const std::map<std::string, int> levels = {{"single", MPI_THREAD_SINGLE},
                                             {"funneled", MPI_THREAD_FUNNELED},
                                             {"serialized", MPI_THREAD_SERIALIZED},
                                             {"multiple", MPI_THREAD_MULTIPLE}};
  expect(says(test::error_of([] { Communicator::from(MPI_COMM_WORLD); }), "MPI is not initialised"), "too early");
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, levels.at(level), &provided);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  expect(says(test::error_of([] { Communicator::from(MPI_COMM_NULL); }), "MPI_COMM_NULL"), "no ranks");
  check_part(MPI_COMM_WORLD, provided);
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, 0, &half);
  check_part(half, provided);
  MPI_Comm_free(&half);
  MPI_Barrier(MPI_COMM_WORLD);  // MPI is the program's still
  MPI_Finalize();
  if (rank == 0 && failures == 0) {
    std::printf("own MPI: passed\n");
  }
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
