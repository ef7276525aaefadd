// Runs the tests on all ranks of a job at once. As `test_distributed rank_death HOW` it is a job that loses a rank, as
// `test_distributed own_mpi LEVEL` a program that has initialised MPI itself.
#include <string>

#include <backflow/distributed/communicator.h>
#include <backflow/tests/support/run_on_ranks.h>

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
  return backflow::test::run_on_ranks(*world, argc, argv);
}
