// Runs the tests of files that ranks write together, on all ranks of a job at once. As `test_ranks stuck` it is a job
// of which rank 0 waits for ever in a write.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/io/dump.h>
#include <backflow/tests/catch2.h>
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

  // All ranks run the same tests in the same order. One that fails ends the job: the others may be waiting for it.
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
