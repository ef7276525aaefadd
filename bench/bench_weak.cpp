// Weak scaling: a network that every rank trains on a batch of its own, with the gradients summed over the ranks, as
// `backflow train` does it: `weak_mlp`, `weak_lenet`, `weak_towers8` or `weak_resnet18` THREADS, started by mpirun or
// alone. Commands come on the standard input of rank 0, as bench/harness.h says. Every rank has the same batch, so the
// losses are those of one rank. The peer is bench/peers/torch_ddp.py.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/distributed/rank_place.h>
#include <backflow/distributed/training_step.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/bench/classifiers.h>

namespace {

using backflow::Tensor;
using backflow::distributed::Communicator;
using World = std::shared_ptr<Communicator>;

constexpr int kSteps = 3;  // that are compared

template <class Network>
class Trained {
 public:
  explicit Trained(World world) : world_(std::move(world)) {}

  double step() {
    parallel_.zero_grad();
    const Tensor loss = cross_entropy_loss(model_(x_), t_);
    step_.backward(loss / static_cast<double>(world_->size()));
    return loss.template item<double>();
  }

 private:
  static auto make() {
    auto model = Network::make();
    bench::set_initial_values(*model);
    return model;
  }

  World world_;
  decltype(Network::make()) model_ = make();
  backflow::optim::SGD optimizer_{model_->parameters(), backflow::optim::SGDOptions(0.01).momentum(0.9)};
  backflow::distributed::DataParallel parallel_{model_->parameters(), world_};
  backflow::distributed::TrainingStep step_{parallel_, optimizer_};
  Tensor x_ = bench::uniform(Network::input(), 1.7, 0);
  Tensor t_ = bench::classes(Network::input()[0], 10, 1);
};

/// Makes a step of a new model at each call of the inner function.
using Factory = std::function<std::function<double()>(const World&)>;

template <class Network>
Factory factory() {
  return [](const World& world) {
    const auto trained = std::make_shared<Trained<Network>>(world);
    return [trained] { return trained->step(); };
  };
}

Factory find(const std::string& name) {
  if (name == "weak_mlp") return factory<bench::Mlp>();
  if (name == "weak_lenet") return factory<bench::LeNet>();
  if (name == "weak_towers8") return factory<bench::Towers>();
  if (name == "weak_resnet18") return factory<bench::ResNet18>();
  backflow::fail("unknown workload '", name, "': need weak_mlp, weak_lenet, weak_towers8 or weak_resnet18");
}

double processor_time() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

/// As many steps as take about so long; every rank takes as many as rank 0 says.
void time_steps(Communicator& world, const std::function<double()>& step, double seconds) {
  const auto timed = [&step] {
    const auto begin = bench::Clock::now();
    step();
    return bench::microseconds(begin, bench::Clock::now());
  };
  const double first = std::min(timed(), timed());
  const std::string count = world.all_gather(std::to_string(std::max(1.0, std::round(seconds * 1e6 / first)))).front();
  std::vector<double> times;
  const double before = processor_time();
  for (int left = std::stoi(count); left > 0; --left) {
    times.push_back(timed());
  }
  double processor = (processor_time() - before) / static_cast<double>(times.size());
  world.all_reduce_sum({&processor, 1});
  if (world.rank() == 0) {
    const double least = *std::min_element(times.begin(), times.end());
    std::printf("{\"steps\": %zu, \"step_us\": %.4f, \"least_us\": %.4f, \"processor_us\": %.4f}\n", times.size(),
                bench::median(times), least, processor / world.size());
  }
}

void serve(const World& world, const Factory& make) {
  std::function<double()> step;  // made when it is first needed
  for (;;) {
    std::string line;
    if (world->rank() == 0 && !std::getline(std::cin, line)) {
      line = "end";
    }
    std::istringstream words(world->all_gather(line).front());
    std::string command;
    double seconds = 0;
    words >> command >> seconds;
    if (command == "time") {
      step = step ? step : make(world);
      time_steps(*world, step, seconds);
    } else if (command == "check") {
      const std::function<double()> fresh = make(world);
      std::vector<double> losses(kSteps);
      std::generate(losses.begin(), losses.end(), fresh);
      if (world->rank() == 0) {
        bench::print_values(losses);
      }
    } else if (command == "peak") {
      if (world->rank() == 0) {
        std::printf("{\"peak_mb\": %.1f}\n", bench::peak_megabytes());
      }
    } else {
      return;
    }
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Arguments arguments = bench::parse(argc, argv);
    const World world = Communicator::world();
    backflow::RankRequest request;
    request.threads = arguments.threads;
    place_this_rank(*world, request);
    serve(world, find(arguments.workload));
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_weak: error: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
