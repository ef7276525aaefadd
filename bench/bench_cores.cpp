// How fast a workload would be on more cores than there are, and what limits it:
//   bench_cores WORKLOAD [--threads 1,2,4,...,128] [--bandwidth X] [--measure SECONDS] [--json FILE]
// records steps on one thread, cut for each number of threads, and simulates that many cores (train/cores). WORKLOAD is
// one of bench_workloads', or resnet18_batch1, a forward alone.
//   --bandwidth  what 64 cores have of the memory, as a multiple of what one has (12)
//   --measure    so many seconds of real steps on 1 and 2 threads by turns, which the predictions are held against, and
//                as many on 8, 16 and 64 threads: what more threads than cores cost (2; 0 measures nothing)
//   --json       writes all that is printed, and more, to FILE
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
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
  double measure = 2;  ///< seconds
  std::string json;    ///< a file, or empty
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

double number(const std::string& name, const std::string& text, double least) {
  const double value = std::atof(text.c_str());
  backflow::check(value >= least, name, " ", text, ": need a number from ", least);
  return value;
}

Options options_of(int argc, char** argv) {
  Options options;
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--threads") {
      options.scaling.threads = numbers(value);
    } else if (name == "--json") {
      options.json = value;
    } else if (name == "--measure") {
      options.measure = number(name, value, 0);
    } else {
      backflow::check(name == "--bandwidth", "option '", name,
                      "': need --threads LIST, --bandwidth X, --measure SECONDS or --json FILE");
      options.bandwidth = number(name, value, 1);
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

/// Real steps.
struct Measured {
  int threads;
  std::vector<double> us;

  /// The lower quartile, as that of what is recorded.
  double typical() {
    const auto at = us.begin() + static_cast<std::ptrdiff_t>(us.size() / 4);
    std::nth_element(us.begin(), at, us.end());
    return *at;
  }
};

/// By turns, for so many seconds, at least one step of each.
std::vector<Measured> measure(const bench::Workload& workload, const std::vector<int>& threads, double seconds) {
  std::vector<Measured> measured;
  for (const int n : threads) {
    measured.push_back({n, {}});
  }
  constexpr double kTurn = 0.05;  // seconds
  const auto start = bench::Clock::now();
  while (measured.back().us.empty() || bench::microseconds(start, bench::Clock::now()) < seconds * 1e6) {
    for (Measured& m : measured) {
      backflow::set_num_threads(m.threads);
      workload.step();  // the first one makes threads and graphs
      const auto turn = bench::Clock::now();
      for (auto begin = turn; begin == turn || bench::microseconds(turn, begin) < kTurn * 1e6;) {
        workload.step();
        const auto end = bench::Clock::now();
        m.us.push_back(bench::microseconds(begin, end));
        begin = end;
      }
    }
  }
  return measured;
}

double predicted_us(const train::Scaling& scaling, int threads) {
  const auto found = std::find_if(scaling.points.begin(), scaling.points.end(),
                                  [threads](const auto& point) { return point.threads == threads; });
  return found == scaling.points.end() ? 0 : found->nanoseconds / 1e3;
}

/// Prints real steps beside the predictions; returns them as JSON.
std::string validate(const bench::Workload& workload, const train::Scaling& scaling, double seconds) {
  std::string json;
  const auto note = [&json](int threads, double us, const std::string& key, double ratio) {
    json += backflow::to_text(json.empty() ? "" : ", ", "{\"threads\": ", threads, ", \"step_us\": ", us, ", \"", key,
                              "\": ", ratio, "}");
  };
  double on_two = 0;
  std::printf("\nreal steps on this machine\n");
  for (Measured& m : measure(workload, {1, 2}, seconds)) {
    const double us = m.typical();
    on_two = us;
    const double ratio = predicted_us(scaling, m.threads) / us;
    std::printf("%7d %10.3f ms, predicted / measured %.2f (%zu steps)\n", m.threads, us / 1e3, ratio, m.us.size());
    note(m.threads, us, "predicted_over_measured", ratio);
  }
  for (Measured& m : measure(workload, {8, 16, 64}, seconds)) {
    const double us = m.typical();
    std::printf("%7d %10.3f ms, %.2f of 2 threads (%zu steps)\n", m.threads, us / 1e3, us / on_two, m.us.size());
    note(m.threads, us, "of_two_threads", us / on_two);
  }
  return "[" + json + "]";
}

void run(const std::string& name, const bench::Workload& workload, const Options& options) {
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
  const std::string measured = options.measure > 0 ? validate(workload, scaling, options.measure) : "[]";
  if (!options.json.empty()) {
    std::ofstream file(options.json);
    file << "{\"workload\": \"" << name << "\", \"scaling\": " << train::scaling_json(scaling)
         << ", \"measured\": " << measured << "}\n";
    backflow::check(bool(file.flush()), options.json, ": cannot be written");
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
    run(name, workload, options_of(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_cores: %s\n", error.what());
    return 1;
  }
}
