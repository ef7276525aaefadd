// Our side of scripts/bench.sh: WORKLOAD THREADS [DATA], then commands on standard input as bench/harness.h says. By
// hand:
//   echo 'time 2' | build/release/bin/bench_workloads chain1000 1
#include <cstdio>
#include <exception>

#include <backflow/nn/modules/branches.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/bench/workloads.h>

int main(int argc, char** argv) {
  try {
    const bench::Arguments arguments = bench::parse(argc, argv);
    backflow::set_num_threads(arguments.threads);
    bench::Workload workload;
    if (!bench::find_workload(arguments.workload, arguments.data, workload)) {
      std::fprintf(stderr, "bench_workloads: no workload '%s'\n", arguments.workload.c_str());
      return 2;
    }
    return bench::serve(workload);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_workloads: %s\n", error.what());
    return 1;
  }
}
