// Runs the tests of files that ranks write together, on all ranks of a job at once. As `test_ranks stuck` it is a job
// of which rank 0 waits for ever in a write.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include <backflow/distributed/communicator.h>
#include <backflow/io/dump.h>
#include <backflow/tests/support/run_on_ranks.h>
#include <backflow/train/run/dump_ranks.h>

int main(int argc, char** argv) {
  backflow::io::start_hdf5();
  const auto world = backflow::distributed::Communicator::world();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that becomes too large is an error of write, as in the program

  if (argc > 1 && std::string(argv[1]) == "stuck") {
    backflow::train::WorldDumpRanks ranks(*world, 1);
    if (world->rank() == 0) {
      ranks.run([](const void*) { pause(); });
    }
    world->barrier();
    return EXIT_SUCCESS;
  }

  return backflow::test::run_on_ranks(*world, argc, argv);
}
