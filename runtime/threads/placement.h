#pragma once

#include <vector>

#include <backflow/runtime/threads/topology.h>

namespace backflow {

/// Whether each thread of a rank is bound to a core. Auto binds where a launcher started the rank, its cores are its
/// own, and its threads fill them.
enum class ThreadBinding { Auto, Cores, None };
/// Where the memory of a rank lies. Auto interleaves it over NUMA nodes when the rank's cores belong to several; Local
/// leaves every page where it is touched first.
enum class MemoryPolicy { Auto, Local };

/// What one rank of a node asks for.
struct RankRequest {
  std::vector<int> cpus = {};  ///< that it may use, in increasing order
  int threads = 0;             ///< that it computes with; 0 for one on each core that is its part
  ThreadBinding binding = ThreadBinding::Auto;
  MemoryPolicy memory = MemoryPolicy::Auto;
};

/// Where a rank computes. Cores are called by the first of their CPUs.
struct Placement {
  int threads = 1;
  std::vector<int> cpus = {};         ///< that the rank may use
  std::vector<int> cores = {};        ///< of these CPUs
  std::vector<int> numa_nodes = {};   ///< of these cores
  std::vector<int> thread_cpus = {};  ///< one CPU for each thread, the caller's first; empty when they are not bound
  std::vector<int> communication_cpus = {};  ///< of the core that communication has for itself; empty without one
  int communication_core = -1;               ///< that core
  bool shares_cores = false;                 ///< with another rank
  bool is_interleaved = false;               ///< memory, over `numa_nodes`

  friend bool operator==(const Placement&, const Placement&) = default;
};

/// A rank of fewer cores shares them between computing and communication.
inline constexpr int kCoresForCommunication = 8;

/// What a job is, as far as placement goes.
struct JobShape {
  int ranks = 1;             ///< on all nodes; one alone has nothing to communicate
  bool is_launched = false;  ///< by mpirun or the like, which has reserved the cores
};

/// Places the ranks of one node, in their order. Each computes with a thread on each core that it may use; where ranks
/// share cores, with its part of them. Launched ranks that may all use the same cores, and have a thread for each
/// together, get cores of their own, so that the system puts no two of these threads on one core. With
/// kCoresForCommunication cores of its own or more, a rank of several leaves its last core to communication. Depends on
/// its arguments alone.
std::vector<Placement> place_ranks(const Topology& topology, const std::vector<RankRequest>& ranks,
                                   const JobShape& job);

/// The cores that these CPUs belong to, each as its first CPU in the machine. A CPU that the topology lacks is a core.
std::vector<int> cores_of_cpus(const Topology& topology, const std::vector<int>& cpus);

}  // namespace backflow
