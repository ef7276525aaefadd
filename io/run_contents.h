#pragma once

#include <string>
#include <vector>

namespace backflow::io {

/// The files of runs in a run directory (see RunDirectory), recognised by their names; other files are ignored. A
/// missing directory counts as empty. All functions throw Error for a directory that cannot be read or changed.

/// A dump, checkpoints/step-<digits>.h5. The best one, checkpoints/best.h5, is not among them.
struct DumpFile {
  long long step = 0;  ///< by its name
  std::string path;
};

/// The dumps of a run directory, by step.
std::vector<DumpFile> list_dumps(const std::string& directory);

/// A file that a run has written to the directory, as "metrics.jsonl"; empty when it holds no run.
std::string find_run(const std::string& directory);

/// Removes everything that runs have written.
void remove_run(const std::string& directory);

/// Removes temporary files that killed processes have left (see AtomicFile). Only for the holder of the directory's
/// RunLock.
void remove_temporaries(const std::string& directory);
/// The same in this folder alone.
void remove_temporaries_of(const std::string& folder);

/// Renames a dump so that it no longer counts as one: to step-000000040.h5.old, or .old-2 and so on if that exists.
/// Returns the new path.
std::string set_aside(const std::string& dump);

}  // namespace backflow::io
