// Our side of the rows of scripts/bench.sh that are one operator each: ROW THREADS, then commands on standard input as
// bench/harness.h says. By hand:
//   echo 'time 1' | build/release/bin/bench_operators elementwise.add 1
#include <backflow/bench/chains.h>
#include <backflow/bench/elementwise.h>
#include <backflow/bench/indexing.h>
#include <backflow/bench/inference.h>
#include <backflow/bench/reductions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/threads.h>

namespace torch = backflow;

#include <backflow/bench/tiny_ops.h>

namespace {

int run(const bench::Arguments& arguments) {
  backflow::set_num_threads(arguments.threads);
  bench::Workload workload;
  if (bench::find_tiny(arguments.workload, workload)) {
    return bench::serve(workload);
  }
  for (const auto* rows :
       {&bench::elementwise(), &bench::chains(), &bench::reductions(), &bench::indexing(), &bench::inference()}) {
    for (const bench::Operator& row : *rows) {
      if (arguments.workload == row.name) {
        return bench::serve(bench::operator_workload(row, arguments.threads));
      }
    }
  }
  std::fprintf(stderr, "bench_operators: no row '%s'\n", arguments.workload.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(bench::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_operators: %s\n", error.what());
    return 1;
  }
}
