#pragma once

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/tests/catch2.h>

namespace backflow::test {

/// Runs the tests on all ranks of a job at once, in the same order. One that fails stops and ends the job: the others
/// may be waiting for it. Returns how many have failed.
inline int run_on_ranks(distributed::Communicator& world, int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  std::string extra[] = {"--abort", "--order", "decl"};
  for (std::string& argument : extra) {
    arguments.push_back(argument.data());
  }
  const int failed = run(static_cast<int>(arguments.size()), arguments.data());
  if (failed != 0 && world.size() > 1) {
    std::cerr << "tests failed on rank " << world.rank() << " of " << world.size() << std::endl;
    world.abort(EXIT_FAILURE);
  }
  return failed;
}

}  // namespace backflow::test
