// One step of an optimizer on 11.3 million float32 parameters in 62 tensors, those of ResNet-18's sizes and as many
// small ones: `sgd`, `adam`, `adamw`, `rmsprop` or `adagrad` THREADS, then commands on standard input as
// bench/harness.h says. The reference is a triad that moves as many bytes. The peer in PyTorch:
// bench/peers/torch_optimizers.py.
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <backflow/nn/optim/adagrad.h>
#include <backflow/nn/optim/adam.h>
#include <backflow/nn/optim/adamw.h>
#include <backflow/nn/optim/rmsprop.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/bench/harness.h>
#include <backflow/bench/triad.h>

namespace {

using backflow::Tensor;
using namespace backflow::optim;

/// The sizes of ResNet-18's parameters for ten classes.
std::vector<std::int64_t> sizes() {
  std::vector<std::int64_t> all = {64 * 3 * 49, 64, 64};
  const std::int64_t channels[] = {64, 128, 256, 512};
  std::int64_t before = 64;
  for (const std::int64_t c : channels) {
    for (int conv = 0; conv < 4; ++conv) {
      const std::int64_t in = conv == 0 ? before : c;
      all.insert(all.end(), {c * in * 9, c, c});
    }
    if (c != before) {
      all.insert(all.end(), {c * before, c, c});
    }
    before = c;
  }
  all.insert(all.end(), {512 * 10, 10});
  return all;
}

std::unique_ptr<Optimizer> make(const std::string& name, const std::vector<Tensor>& p) {
  if (name == "sgd") return std::make_unique<SGD>(p, SGDOptions(0.01).momentum(0.9));
  if (name == "adam") return std::make_unique<Adam>(p);
  if (name == "adamw") return std::make_unique<AdamW>(p);
  if (name == "rmsprop") return std::make_unique<RMSprop>(p);
  if (name == "adagrad") return std::make_unique<Adagrad>(p);
  backflow::fail("unknown optimizer '", name, "': need sgd, adam, adamw, rmsprop or adagrad");
}

struct Problem {
  std::vector<Tensor> parameters;
  std::unique_ptr<Optimizer> optimizer;

  explicit Problem(const std::string& name) {
    for (const std::int64_t n : sizes()) {
      const Tensor p = (backflow::arange(n).to(backflow::kFloat32) / static_cast<double>(n) - 0.5).detach();
      parameters.push_back(p.requires_grad_());
      parameters.back().mutable_grad() = (p.detach() * 0.1 + 0.01).detach();
    }
    optimizer = make(name, parameters);
  }

  bench::Times step() const {
    const auto start = bench::Clock::now();
    optimizer->step();
    return {0, bench::microseconds(start, bench::Clock::now())};
  }

  /// Bytes that a step has to read and write.
  std::int64_t bytes() const { return static_cast<std::int64_t>(optimizer->work(parameters) * 10); }
};

/// The sum of each parameter after three steps.
std::vector<double> check(const std::string& name) {
  const Problem problem(name);
  for (int i = 0; i < 3; ++i) {
    problem.step();
  }
  std::vector<double> sums;
  for (const Tensor& p : problem.parameters) {
    sums.push_back(p.detach().to(backflow::kFloat64).sum().item<double>());
  }
  return sums;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Arguments arguments = bench::parse(argc, argv);
    backflow::set_num_threads(arguments.threads);
    const Problem problem(arguments.workload);
    bench::Triad triad(problem.bytes(), arguments.threads);
    bench::Workload workload{[&] { return problem.step(); }, [&] { return check(arguments.workload); }};
    workload.reference = [&] { triad.run(); };
    return bench::serve(workload);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
