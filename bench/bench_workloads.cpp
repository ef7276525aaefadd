// Our side of scripts/bench.sh: WORKLOAD THREADS [DATA], then commands on standard input as bench/harness.h says. By
// hand:
//   echo 'time 2' | build/release/bin/bench_workloads chain1000 1
#include <backflow/nn/models.h>
#include <backflow/ops/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/grad_mode.h>
#include <backflow/runtime/threads.h>

namespace torch = backflow;

#include <backflow/bench/branches.h>
#include <backflow/bench/classifiers.h>
#include <backflow/bench/small_ops.h>

namespace {

int run(const bench::Arguments& arguments) {
  backflow::set_num_threads(arguments.threads);
  bench::Workload workload;
  if (arguments.workload == "mlp") {
    workload = bench::classifier<bench::Mlp>(arguments.data);
  } else if (arguments.workload == "towers8") {
    workload = bench::classifier<bench::Towers>(arguments.data);
  } else if (arguments.workload == "branches8") {
    workload = bench::branches8();
  } else if (!bench::find_small(arguments.workload, workload)) {
    std::fprintf(stderr, "bench_workloads: no workload '%s'\n", arguments.workload.c_str());
    return 2;
  }
  return bench::serve(workload);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(bench::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_workloads: %s\n", error.what());
    return 1;
  }
}
