#pragma once

#include <string>
#include <vector>

namespace backflow {

/// The cores of a node and the NUMA node of each. CPUs are what the system numbers: a core, or with hyperthreads one of
/// the two or more of a core.
struct Topology {
  struct Core {
    std::vector<int> cpus;  ///< in increasing order
    int numa_node = 0;      ///< the system's number
  };
  std::vector<Core> cores;  ///< neighbours here are neighbours in the machine

  /// This machine, as hwloc sees it; no cores when hwloc cannot tell. Read once. Thread-safe.
  static const Topology& machine();
  /// A machine that there is not, from hwloc's text: "numa:2 core:32 pu:2". Throws Error when hwloc rejects it.
  static Topology synthetic(const std::string& text);
};

/// The CPUs that a process may use, by the affinity of its first thread; 0 is this process. None when that is unknown.
std::vector<int> cpus_of_process(int process);
/// The CPUs that the calling thread may use.
std::vector<int> cpus_of_this_thread();
/// Confines the calling thread, and threads that it will start, to these CPUs. False when the system refuses.
bool bind_this_thread(const std::vector<int>& cpus);
/// Spreads the pages that the calling thread, and threads that it will start, touch first evenly over these NUMA nodes;
/// with none given, they lie where they are touched. False when the system refuses, as in some containers.
bool interleave_memory_of_this_thread(const std::vector<int>& numa_nodes);

}  // namespace backflow
