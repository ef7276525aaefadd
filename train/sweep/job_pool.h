#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/runtime/threads/topology.h>

namespace backflow::train {

/// One `backflow train` that a sweep starts.
struct SweepJob {
  std::size_t run = 0;                 ///< number of the run in the sweep
  std::vector<std::string> arguments;  ///< behind "train"
  std::string output;                  ///< a file for what it prints
};

/// Divides the CPUs into `jobs` parts of whole cores, as equal as they can be with the same number of cores each; what
/// is left over idles. No parts when there are fewer cores than jobs: these then share all.
std::vector<std::vector<int>> share_cores(const Topology& topology, const std::vector<int>& cpus, std::int64_t jobs);

/// The cores among some CPUs.
std::int64_t count_cores(const Topology& topology, const std::vector<int>& cpus);

/// Runs jobs, so many at once, each on cores of its own.
class JobPool {
 public:
  struct Callbacks {
    std::function<void(const SweepJob&)> started;
    std::function<void(const SweepJob&, int code, double seconds)> ended;
  };
  /// `threads`: cores to share out; 0 for those that this process may use. `ranks`: of each job. Several are started by
  /// mpirun.sh, which lies beside this program; throws io::ConfigError when it does not.
  JobPool(std::int64_t jobs, std::int64_t threads, std::int64_t ranks);

  /// Runs all. After stop_requested() it starts none, sends SIGTERM to those that run, and waits for them; false then.
  bool run(const std::vector<SweepJob>& jobs, const Callbacks& callbacks);

  /// "2 at once with 4 threads each".
  std::string text() const;

 private:
  std::vector<std::string> command_of(const SweepJob& job, bool has_cores) const;

  std::int64_t jobs_;
  std::int64_t ranks_;
  std::int64_t threads_;                 ///< of a rank
  std::vector<std::vector<int>> cores_;  ///< of each place; empty when all is shared
};

}  // namespace backflow::train
