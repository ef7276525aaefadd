// How fast a workload would be on more cores than there are, and what limits it:
//   bench_cores WORKLOAD [--threads 1,2,4,...,128] [--bandwidth X] [--json FILE]
// records steps on one thread, cut for each number of threads, and simulates that many cores (train/cores). WORKLOAD is
// one of bench_workloads', or resnet18_batch1, a forward alone. --bandwidth: what 64 cores have of the memory, as a
// multiple of what one has (12).
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <backflow/nn/modules/branches.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/train/cores/scaling.h>

#include <backflow/bench/workloads.h>

namespace {

namespace train = backflow::train;

struct Options {
  train::ScalingOptions scaling;
  double bandwidth = 12;
  std::string json;
};

std::vector<int> numbers(const std::string& text) {
  std::vector<int> found;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) {
    found.push_back(std::atoi(word.c_str()));
    backflow::check(found.back() >= 1 && found.back() <= 1024, "--threads ", text, ": need numbers from 1 to 1024");
  }
  return found;
}

Options options_of(int argc, char** argv) {
  Options options;
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i];
    backflow::check(i + 1 < argc && (name == "--threads" || name == "--json" || name == "--bandwidth"), "option '",
                    name, "': need --threads LIST, --bandwidth X or --json FILE");
    if (name == "--threads") {
      options.scaling.threads = numbers(argv[i + 1]);
    } else if (name == "--json") {
      options.json = argv[i + 1];
    } else {
      options.bandwidth = std::atof(argv[i + 1]);
      backflow::check(options.bandwidth >= 1, "--bandwidth ", argv[i + 1], ": need a number from 1");
    }
  }
  return options;
}

/// One image through ResNet-18, as a served model.
bench::Workload resnet18_batch1() {
  auto model = std::make_shared<backflow::nn::ResNet18>();
  (*model)->eval();
  const backflow::Tensor x = bench::uniform({1, 3, 32, 32}, 1.7, 0);
  bench::Workload workload;
  workload.step = [model, x] {
    const backflow::NoGradGuard guard;
    const auto start = bench::Clock::now();
    const backflow::Tensor y = (*model)(x);
    return bench::Times{bench::microseconds(start, bench::Clock::now()), 0};
  };
  return workload;
}

void run(const bench::Workload& workload, const Options& options) {
  train::Machine machine = train::measure_machine();
  machine.bandwidth_limit = options.bandwidth;
  std::printf("%s", machine.text().c_str());
  const train::Scaling scaling = train::predict_scaling([&] { workload.step(); }, options.scaling, machine);
  std::printf("%s", train::scaling_table(scaling).c_str());
  for (const train::ScalingPoint& point : scaling.points) {
    if (point.threads == 16 || point.threads == 64) {
      std::printf("\n%s", train::limits_table(point).c_str());
    }
  }
  for (const std::string& warning : scaling.warnings) {
    std::printf("warning: %s\n", warning.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string name = argc > 1 ? argv[1] : "";
    bench::Workload workload;
    if (name == "resnet18_batch1") {
      workload = resnet18_batch1();
    } else if (!bench::find_workload(name, "", workload)) {
      std::fprintf(stderr, "bench_cores: no workload '%s'\n", name.c_str());
      return 2;
    }
    run(workload, options_of(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_cores: %s\n", error.what());
    return 1;
  }
}
