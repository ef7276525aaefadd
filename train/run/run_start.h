#pragma once

#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/io/dump.h>
#include <backflow/io/run_lock.h>

namespace backflow::train {

/// What a run does when its directory holds a run already.
enum class ExistingRun { Refuse, GoOn, Overwrite };

/// What the command line says of the files of a run.
struct StartOptions {
  std::string out;     ///< the run directory; empty for runs/<name>/<date-time>
  std::string resume;  ///< a dump, or "auto" for the newest of `out`; empty to start anew
  bool overwrite = false;
};

/// Where a run writes, and what it goes on from.
struct RunStart {
  std::string out;
  ExistingRun existing = ExistingRun::Refuse;
  std::shared_ptr<io::RunLock> lock = {};  ///< of a directory that was there already, on rank 0
  std::string dump_path = {};              ///< empty for a run that starts anew
  io::Dump dump = {};                      ///< what that file holds
  std::vector<std::string> warnings = {};  ///< on rank 0
};

/// Decides what a run starts from, before anything is written: rank 0 refuses a directory that holds a run when neither
/// resume nor overwrite is asked for, takes the directory's lock, and chooses the dump. All ranks read that file and
/// compare step and digest of what they read. With resume "auto" a damaged dump is left out with a warning.
///
/// Collective. Throws io::ConfigError for what the command line asks and cannot have, also for a directory that another
/// process still has after ten seconds (so long may the ranks of a job whose mpirun was killed live on), and Error for
/// dumps that are damaged or differ.
RunStart start_run(const StartOptions& options, distributed::Communicator& world);

/// Takes the lock of a run directory, with the patience and the error described above.
std::shared_ptr<io::RunLock> lock_run(const std::string& directory);

/// Throws io::ConfigError when `directory` holds a run.
void refuse_run(const std::string& directory);

}  // namespace backflow::train
