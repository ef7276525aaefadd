// Where the time of a workload goes, operator by operator:
//   bench_profile WORKLOAD THREADS [--steps N] [--trace FILE]
// prints the table that `backflow train --profile` ends with, of N steps (10); FILE is a time line for ui.perfetto.dev.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <backflow/io/trace_file.h>
#include <backflow/nn/modules/branches.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/views/profile.h>

#include <backflow/bench/workloads.h>

namespace {

constexpr int kWarmUp = 3;

struct Options {
  int steps = 10;
  std::string trace;  ///< a file, or empty
};

Options options_of(int argc, char** argv) {
  Options options;
  for (int i = 3; i < argc; i += 2) {
    const std::string name = argv[i];
    backflow::check((name == "--steps" || name == "--trace") && i + 1 < argc, "option '", name,
                    "': need --steps N or --trace FILE");
    if (name == "--trace") {
      options.trace = argv[i + 1];
    } else {
      options.steps = std::atoi(argv[i + 1]);
      backflow::check(options.steps > 0, "--steps ", argv[i + 1], ": need a number from 1");
    }
  }
  return options;
}

void run(const bench::Workload& workload, const Options& options) {
  for (int i = 0; i < kWarmUp; ++i) {
    workload.step();
  }
  backflow::train::Profile profile;
  backflow::trace::start();
  for (int i = 0; i < options.steps; ++i) {
    const std::int64_t start = backflow::trace::now();
    backflow::reset_peak_memory();
    {
      const backflow::trace::Span step("step");
      workload.step();
    }
    profile.add_step(backflow::trace::collect(start), backflow::memory_stats().peak_bytes);
  }
  backflow::trace::stop();
  std::printf("%s\n", profile.table().c_str());
  if (!options.trace.empty()) {
    backflow::io::write_trace(options.trace, backflow::trace::collect(), 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Arguments arguments = bench::parse(argc, argv);
    backflow::set_num_threads(arguments.threads);
    bench::Workload workload;
    if (!bench::find_workload(arguments.workload, "", workload)) {
      std::fprintf(stderr, "bench_profile: no workload '%s'\n", arguments.workload.c_str());
      return 2;
    }
    run(workload, options_of(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_profile: %s\n", error.what());
    return 1;
  }
}
