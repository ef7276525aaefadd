// Peer: libtorch's C++ front end on graphs of tiny operations, and on tiny tensors. Built and driven by
// scripts/bench.sh.
#include <torch/torch.h>

#include <backflow/bench/small_ops.h>
#include <backflow/bench/tiny_ops.h>

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  torch::set_num_threads(arguments.threads);
  bench::Workload workload;
  if (!bench::find_small(arguments.workload, workload) && !bench::find_tiny(arguments.workload, workload)) {
    std::fprintf(stderr, "libtorch_small_ops: no workload '%s'\n", arguments.workload.c_str());
    return 2;
  }
  return bench::serve(workload);
}
