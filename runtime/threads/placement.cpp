#include <backflow/runtime/threads/placement.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace backflow {
namespace {

/// The cores that a rank may use, in the machine's order, each with those of its CPUs that the rank may use.
std::vector<Topology::Core> usable_cores(const Topology& topology, const std::vector<int>& cpus) {
  std::vector<Topology::Core> cores;
  std::set<int> left(cpus.begin(), cpus.end());
  for (const Topology::Core& core : topology.cores) {
    Topology::Core usable{.cpus = {}, .numa_node = core.numa_node};
    std::copy_if(core.cpus.begin(), core.cpus.end(), std::back_inserter(usable.cpus),
                 [&](int cpu) { return left.erase(cpu) > 0; });
    if (!usable.cpus.empty()) {
      cores.push_back(std::move(usable));
    }
  }
  for (const int cpu : left) {
    cores.push_back({.cpus = {cpu}, .numa_node = 0});
  }
  return cores;
}

/// Each CPU's core, called by the first of its CPUs.
std::map<int, int> cores_by_cpu(const Topology& topology) {
  std::map<int, int> cores;
  for (const Topology::Core& core : topology.cores) {
    for (const int cpu : core.cpus) {
      cores[cpu] = core.cpus.front();
    }
  }
  return cores;
}

/// A CPU for each thread: the first of every core, then the second of every core, and so on. None when there are too
/// few.
std::vector<int> cpus_for_threads(const std::vector<Topology::Core>& cores, int threads) {
  std::vector<int> cpus;
  bool found = true;
  for (std::size_t sibling = 0; found; ++sibling) {
    found = false;
    for (const Topology::Core& core : cores) {
      if (sibling < core.cpus.size()) {
        found = true;
        cpus.push_back(core.cpus[sibling]);
      }
    }
  }
  const bool enough = static_cast<std::size_t>(threads) <= cpus.size();
  cpus.resize(enough ? static_cast<std::size_t>(threads) : 0);
  return cpus;
}

/// How many ranks may use each core.
std::map<int, int> users_of_cores(const Topology& topology, const std::vector<RankRequest>& ranks) {
  std::map<int, int> users;
  for (const RankRequest& rank : ranks) {
    for (const int core : cores_of_cpus(topology, rank.cpus)) {
      ++users[core];
    }
  }
  return users;
}

/// The cores of a rank, each divided by the number of ranks that may use it: at least one.
int part_of(const std::vector<int>& cores, const std::map<int, int>& users) {
  constexpr double kRounding = 1e-6;  // of a sum of thirds
  double part = 0;
  for (const int core : cores) {
    part += 1.0 / users.at(core);
  }
  return std::max(static_cast<int>(part + kRounding), 1);
}

std::vector<int> numa_nodes_of(const std::vector<Topology::Core>& cores) {
  std::set<int> nodes;
  for (const Topology::Core& core : cores) {
    nodes.insert(core.numa_node);
  }
  return {nodes.begin(), nodes.end()};
}

Placement place(const Topology& topology, const RankRequest& rank, const std::map<int, int>& users,
                const JobShape& job) {
  std::vector<Topology::Core> own = usable_cores(topology, rank.cpus);
  Placement p;
  p.cpus = rank.cpus;
  p.cores = cores_of_cpus(topology, rank.cpus);
  p.numa_nodes = numa_nodes_of(own);
  p.is_interleaved = p.numa_nodes.size() > 1 && rank.memory == MemoryPolicy::Auto;
  p.shares_cores = std::any_of(p.cores.begin(), p.cores.end(), [&](int core) { return users.at(core) > 1; });

  const int cores = static_cast<int>(own.size());
  const bool may_bind = !p.shares_cores && (rank.binding == ThreadBinding::Cores ||
                                            (rank.binding == ThreadBinding::Auto && job.is_launched));
  const bool can_spare = may_bind && job.ranks > 1 && cores >= kCoresForCommunication && rank.threads < cores;
  const int computing = can_spare ? cores - 1 : part_of(p.cores, users);
  p.threads = rank.threads > 0 ? rank.threads : computing;
  if (may_bind && (rank.binding == ThreadBinding::Cores || p.threads >= computing)) {
    if (can_spare) {
      p.communication_cpus = own.back().cpus;
      p.communication_core = cores_of_cpus(topology, p.communication_cpus).front();
      own.pop_back();
    }
    p.thread_cpus = cpus_for_threads(own, p.threads);
  }
  return p;
}

/// Whether the ranks may all use the same cores, leave the binding to us, and have a thread for each core together.
bool fill_common_cores(const Topology& topology, const std::vector<RankRequest>& ranks) {
  const auto cores = static_cast<int>(cores_of_cpus(topology, ranks.front().cpus).size());
  const auto count = static_cast<int>(ranks.size());
  int threads = 0;
  for (const RankRequest& rank : ranks) {
    if (rank.cpus != ranks.front().cpus || rank.binding != ThreadBinding::Auto) {
      return false;
    }
    threads += rank.threads > 0 ? rank.threads : cores % count == 0 ? cores / count : cores;
  }
  return count > 1 && threads == cores;
}

/// The same ranks with cores of their own, side by side, a core for each thread.
std::vector<RankRequest> divided(const Topology& topology, std::vector<RankRequest> ranks) {
  const std::vector<Topology::Core> cores = usable_cores(topology, ranks.front().cpus);
  auto next = cores.begin();
  for (RankRequest& rank : ranks) {
    const auto count = rank.threads > 0 ? static_cast<std::size_t>(rank.threads) : cores.size() / ranks.size();
    rank.cpus.clear();
    for (std::size_t i = 0; i < count; ++i, ++next) {
      rank.cpus.insert(rank.cpus.end(), next->cpus.begin(), next->cpus.end());
    }
    std::sort(rank.cpus.begin(), rank.cpus.end());
  }
  return ranks;
}

}  // namespace

std::vector<int> cores_of_cpus(const Topology& topology, const std::vector<int>& cpus) {
  const std::map<int, int> by_cpu = cores_by_cpu(topology);
  std::set<int> cores;
  for (const int cpu : cpus) {
    const auto found = by_cpu.find(cpu);
    cores.insert(found == by_cpu.end() ? cpu : found->second);
  }
  return {cores.begin(), cores.end()};
}

std::vector<Placement> place_ranks(const Topology& topology, const std::vector<RankRequest>& ranks,
                                   const JobShape& job) {
  if (job.is_launched && !ranks.empty() && fill_common_cores(topology, ranks)) {
    return place_ranks(topology, divided(topology, ranks), job);
  }
  const std::map<int, int> users = users_of_cores(topology, ranks);
  std::vector<Placement> placements;
  for (const RankRequest& rank : ranks) {
    placements.push_back(place(topology, rank, users, job));
  }
  return placements;
}

}  // namespace backflow
