// Runs the tests on all ranks of a job at once. As `test_distributed rank_death HOW` it is a job that loses a rank, as
// `test_distributed own_mpi LEVEL` a program that has initialised MPI itself.
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/tests/catch2.h>

int rank_death(const std::string& how);
int own_mpi(const std::string& level);

int main(int argc, char** argv) {
  if (argc > 2 && std::string(argv[1]) == "rank_death") {
    return rank_death(argv[2]);
  }
  if (argc > 2 && std::string(argv[1]) == "own_mpi") {
    return own_mpi(argv[2]);
  }
  const auto world = backflow::distributed::Communicator::world();

  // All ranks run the same tests in the same order. One that fails stops and ends the job: the others may be waiting
  // for it.
  std::vector<char*> arguments(argv, argv + argc);
  std::string extra[] = {"--abort", "--order", "decl"};
  for (std::string& argument : extra) {
    arguments.push_back(argument.data());
  }
  const int failed = backflow::test::run(static_cast<int>(arguments.size()), arguments.data());
  if (failed != 0 && world->size() > 1) {
    std::cerr << "tests failed on rank " << world->rank() << " of " << world->size() << std::endl;
    world->abort(EXIT_FAILURE);
  }
  return failed;
}
