#pragma once

#include <string>
#include <vector>

namespace backflow::io {

/// The files that runs leave in a run directory (see RunDirectory), known by their names; others are nobody's business
/// here. A directory that is not there has none. All throw Error for one that cannot be read or changed.

/// A dump, checkpoints/step-<digits>.h5.
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

/// Removes what processes that were killed while they wrote a file have left (see AtomicFile). Only for the holder of
/// the directory's RunLock.
void remove_temporaries(const std::string& directory);

/// Renames a dump so that it is none any more: step-000000040.h5.old, or .old-2 and so on when there is one. Returns
/// the new path.
std::string set_aside(const std::string& dump);

}  // namespace backflow::io
