// One training step as one graph against its phases one after the other, on the perceptron 784-1024-1024-10 with a
// batch of 128: `mlp_step_graph` and `mlp_separate_phases` THREADS, then commands on standard input as bench/harness.h
// says.
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/distributed/training_step.h>
#include <backflow/nn/models.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/bench/harness.h>

namespace {

using backflow::Tensor;
using bench::Clock;

constexpr int kSteps = 3;  // that are compared, and that the peak is taken over

enum class Phases { Together, Separate };

/// A model, and SGD with momentum.
class Mlp {
 public:
  explicit Mlp(Phases phases) : phases_(phases) {}

  double step(bench::Times& times) {
    const auto t0 = Clock::now();
    optimizer_.zero_grad();
    const Tensor loss = cross_entropy_loss(model_(x_), t_);
    const auto t1 = Clock::now();
    if (phases_ == Phases::Together) {
      training_step_.backward(loss);
    } else {
      loss.backward();
      optimizer_.step();
    }
    times = {bench::microseconds(t0, t1), bench::microseconds(t1, Clock::now())};
    return loss.item<double>();
  }

 private:
  Phases phases_;
  backflow::nn::MLP model_{784, 1024, 1024, 10};
  backflow::optim::SGD optimizer_{model_->parameters(), backflow::optim::SGDOptions(0.01).momentum(0.9)};
  backflow::distributed::DataParallel parallel_{model_->parameters(),
                                                std::make_shared<backflow::distributed::NullCommunicator>()};
  backflow::distributed::TrainingStep training_step_{parallel_, optimizer_};
  Tensor x_ = backflow::randn({128, 784});
  Tensor t_ = backflow::randint(10, {128});
};

/// Tensor memory that a few steps need.
double peak_megabytes(Mlp& model) {
  backflow::reset_peak_memory();
  bench::Times times;
  for (int i = 0; i < kSteps; ++i) {
    model.step(times);
  }
  return static_cast<double>(backflow::memory_stats().peak_bytes) / (1 << 20);
}

bench::Workload workload(Phases phases) {
  const auto model = std::make_shared<Mlp>(phases);
  return {.step =
              [model] {
                bench::Times times;
                model->step(times);
                return times;
              },
          .check =
              [phases] {
                backflow::manual_seed(1);
                Mlp fresh(phases);
                bench::Times times;
                std::vector<double> losses;
                losses.reserve(kSteps);
                for (int i = 0; i < kSteps; ++i) {
                  losses.push_back(fresh.step(times));
                }
                return losses;
              },
          .peak_megabytes = [model] { return peak_megabytes(*model); }};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Arguments arguments = bench::parse(argc, argv);
    backflow::set_num_threads(arguments.threads);
    const bool together = arguments.workload == "mlp_step_graph";
    if (!together && arguments.workload != "mlp_separate_phases") {
      std::fprintf(stderr, "bench_step_graph: no workload '%s'\n", arguments.workload.c_str());
      return 2;
    }
    return bench::serve(workload(together ? Phases::Together : Phases::Separate));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_step_graph: %s\n", error.what());
    return 1;
  }
}
