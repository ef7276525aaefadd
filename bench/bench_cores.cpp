// How fast a workload would be on more cores than there are, and what limits it:
//   bench_cores WORKLOAD [--threads 1,2,4,...,128] [--bandwidth X] [--costs KIND] [--measure SECONDS] [--json FILE]
// records steps on one thread, cut for each number of threads, and simulates that many cores (train/cores). WORKLOAD is
// one of bench_workloads', or resnet18_batch1, a forward alone.
//   --bandwidth  what 64 cores have of the memory, as a multiple of what one has (12)
//   --costs      measured on this machine where it is idle enough, or typical ones (measured)
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

#include <ctime>

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
  bool typical_costs = false;
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
    } else if (name == "--costs") {
      options.typical_costs = value == "typical";
      backflow::check(options.typical_costs || value == "measured", "--costs ", value, ": need measured or typical");
    } else if (name == "--measure") {
      options.measure = number(name, value, 0);
    } else {
      backflow::check(name == "--bandwidth", "option '", name,
                      "': need --threads LIST, --bandwidth X, --costs KIND, --measure SECONDS or --json FILE");
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
  std::vector<double> processor_us;  ///< of a step of each turn, on all threads together
};

/// Of all threads of this process, in us.
double processor_time() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

/// Steps for a short while, after one that makes threads and graphs.
void take_turn(const bench::Workload& workload, Measured& measured) {
  constexpr double kTurn = 50e3;  // us
  backflow::set_num_threads(measured.threads);
  workload.step();
  const std::size_t before = measured.us.size();
  const double processor = processor_time();
  const auto start = bench::Clock::now();
  for (auto begin = start; begin == start || bench::microseconds(start, begin) < kTurn;) {
    workload.step();
    const auto end = bench::Clock::now();
    measured.us.push_back(bench::microseconds(begin, end));
    begin = end;
  }
  const auto steps = static_cast<double>(measured.us.size() - before);
  measured.processor_us.push_back((processor_time() - processor) / steps);
}

/// By turns, for so many seconds, at least one step of each.
std::vector<Measured> measure(const bench::Workload& workload, const std::vector<int>& threads, double seconds) {
  std::vector<Measured> measured;
  for (const int n : threads) {
    measured.push_back({n, {}, {}});
  }
  const auto start = bench::Clock::now();
  while (measured.back().us.empty() || bench::microseconds(start, bench::Clock::now()) < seconds * 1e6) {
    for (Measured& m : measured) {
      take_turn(workload, m);
    }
  }
  return measured;
}

/// The lower quartile: what else runs on the machine can only make steps slower.
double undisturbed(std::vector<double> values) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 4);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// Prints real steps beside the predictions; returns them as JSON.
std::string validate(const bench::Workload& workload, const train::Scaling& scaling, double seconds) {
  std::string json;
  const auto note = [&json](const auto&... parts) {
    json += backflow::to_text(json.empty() ? "{" : ", {", parts..., "}");
  };
  std::printf("\nreal steps on this machine\n");
  double on_two = 0;
  for (Measured& m : measure(workload, {1, 2}, seconds)) {
    const double us = undisturbed(m.us);
    const double processor_us = undisturbed(m.processor_us);
    const auto point = std::find_if(scaling.points.begin(), scaling.points.end(),
                                    [&m](const train::ScalingPoint& p) { return p.threads == m.threads; });
    if (point == scaling.points.end()) {
      continue;
    }
    const double time = point->nanoseconds / 1e3 / us;
    const double work = (scaling.nanoseconds_on_one + point->pieces) / 1e3 / processor_us;
    std::printf(
        "%7d %10.3f ms, predicted / measured %.2f; of the processor %.3f ms, work / measured %.2f (%zu steps)\n",
        m.threads, us / 1e3, time, processor_us / 1e3, work, m.us.size());
    note("\"threads\": ", m.threads, ", \"step_us\": ", us, ", \"predicted_over_measured\": ", time,
         ", \"processor_us\": ", processor_us, ", \"work_over_measured\": ", work);
    on_two = us;
  }
  for (Measured& m : measure(workload, {8, 16, 64}, seconds)) {
    const double us = undisturbed(m.us);
    std::printf("%7d %10.3f ms, %.2f of 2 threads (%zu steps)\n", m.threads, us / 1e3, us / on_two, m.us.size());
    note("\"threads\": ", m.threads, ", \"step_us\": ", us, ", \"of_two_threads\": ", us / on_two);
  }
  return "[" + json + "]";
}

void run(const std::string& name, const bench::Workload& workload, const Options& options) {
  train::Machine machine = options.typical_costs ? train::Machine() : train::measure_machine();
  machine.bandwidth_limit = options.bandwidth;
  const train::Scaling scaling = train::predict_scaling([&] { workload.step(); }, options.scaling, machine);
  std::printf("%s", train::scaling_report(scaling).c_str());
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
