#include <backflow/train/run/places.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <utility>

#include <backflow/runtime/base/error.h>
#include <backflow/train/run/rank_list.h>

namespace backflow::train {
namespace {

using Places = std::vector<RankPlace>;

/// "core 3", "cores 0-1".
std::string cores_text(const std::vector<int>& cores) {
  return (cores.size() == 1 ? "core " : "cores ") + (cores.empty() ? "unknown" : core_list(cores));
}

std::vector<int> united(const std::vector<int>& a, const std::vector<int>& b) {
  std::vector<int> all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

bool overlap(const std::vector<int>& a, const std::vector<int>& b) { return united(a, b).size() < a.size() + b.size(); }

/// The ranks of each node; nodes in the order of their first rank.
std::vector<std::vector<int>> ranks_by_node(const Places& all) {
  std::vector<std::vector<int>> nodes;
  std::map<std::string, std::size_t> index;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const auto [place, is_new] = index.emplace(all[rank].host, nodes.size());
    if (is_new) {
      nodes.emplace_back();
    }
    nodes[place->second].push_back(static_cast<int>(rank));
  }
  return nodes;
}

const RankPlace& at(const Places& all, int rank) { return all[static_cast<std::size_t>(rank)]; }

/// "31 bound threads, cores 0-30, NUMA node 0, communication on core 31", of each of `ranks` ranks.
std::string describe_placement(const RankPlace& place, std::size_t ranks) {
  const Placement& p = place.placement;
  std::vector<int> cores = p.cores;
  std::erase(cores, p.communication_core);
  std::string text = to_text(p.threads, p.thread_cpus.empty() ? "" : " bound", p.threads == 1 ? " thread" : " threads",
                             ranks == 1 ? ", " : " each, ", cores_text(cores));
  if (place.numa_nodes > 1) {
    text += to_text(p.numa_nodes.size() == 1 ? ", NUMA node " : ", NUMA nodes ", number_list(p.numa_nodes));
    text += p.is_interleaved ? ", memory interleaved" : p.numa_nodes.size() > 1 ? ", memory where it is touched" : "";
  }
  return text + (p.communication_core < 0 ? "" : to_text(", communication on ", cores_text({p.communication_core})));
}

std::string describe_node(const Places& all, const std::vector<int>& ranks) {
  std::vector<std::vector<int>> groups;  // of ranks that are placed alike
  for (const int rank : ranks) {
    const auto alike = [&](const std::vector<int>& group) {
      return at(all, group.front()).placement == at(all, rank).placement;
    };
    const auto group = std::find_if(groups.begin(), groups.end(), alike);
    (group == groups.end() ? groups.emplace_back() : *group).push_back(rank);
  }
  std::string text = at(all, ranks.front()).host + ":";
  for (const std::vector<int>& group : groups) {
    text += to_text(group == groups.front() ? " " : "; ", rank_list(group), ": ",
                    describe_placement(at(all, group.front()), group.size()));
  }
  return text;
}

/// Ranks that compete for cores, and all cores and CPUs of theirs.
struct Group {
  std::vector<int> ranks;
  std::vector<int> cores;
  std::vector<int> cpus;
};

std::vector<Group> groups_that_share(const Places& all, const std::vector<int>& ranks) {
  std::vector<Group> groups;
  for (const int rank : ranks) {
    Group merged{{rank}, at(all, rank).placement.cores, at(all, rank).placement.cpus};
    std::erase_if(groups, [&](const Group& group) {
      const bool shares = overlap(group.cores, merged.cores);
      if (shares) {
        merged = {united(group.ranks, merged.ranks), united(group.cores, merged.cores),
                  united(group.cpus, merged.cpus)};
      }
      return shares;
    });
    groups.push_back(std::move(merged));
  }
  return groups;
}

void warn_of_sharing(const Places& all, const std::vector<int>& ranks, std::vector<std::string>& warnings) {
  for (const Group& group : groups_that_share(all, ranks)) {
    std::size_t threads = 0;
    for (const int rank : group.ranks) {
      threads += static_cast<std::size_t>(at(all, rank).placement.threads);
    }
    if (group.cores.empty() || threads <= group.cores.size()) {
      continue;
    }
    const RankPlace& first = at(all, ranks.front());
    const bool is_bound = group.cores.size() < first.job_cores.size();
    const bool is_one = group.ranks.size() == 1;
    const bool on_hyperthreads = threads <= group.cpus.size();
    warnings.push_back(to_text(first.host, ": ", rank_list(group.ranks), is_one ? " has " : " have ", threads,
                               " threads on ", cores_text(group.cores),
                               on_hyperthreads ? ", hyperthreads used as cores" : "",
                               is_one ? ": need fewer --threads" : ": need fewer ranks or --threads",
                               is_bound ? ", or mpirun --bind-to none" : ""));
  }
}

/// Ranks that could have a NUMA node each, or a part of one, and have several.
void warn_of_spanning(const Places& all, const std::vector<int>& ranks, std::vector<std::string>& warnings) {
  std::vector<int> spanning;
  std::copy_if(ranks.begin(), ranks.end(), std::back_inserter(spanning),
               [&](int rank) { return at(all, rank).placement.numa_nodes.size() > 1; });
  if (ranks.size() > 1 && !spanning.empty()) {
    warnings.push_back(to_text(at(all, ranks.front()).host, ": ", rank_list(spanning),
                               spanning.size() == 1 ? " has" : " have",
                               " cores of several NUMA nodes, so much of the memory is far away: need "
                               "scripts/mpirun.sh --per numa, or srun --cpu-bind=ldoms"));
  }
}

void warn_of_refusal(const Places& all, const std::vector<int>& ranks, std::vector<std::string>& warnings) {
  std::vector<int> refused;
  std::copy_if(ranks.begin(), ranks.end(), std::back_inserter(refused),
               [&](int rank) { return at(all, rank).is_refused; });
  if (!refused.empty()) {
    warnings.push_back(to_text(at(all, ranks.front()).host, ": ", rank_list(refused),
                               ": the system refuses to bind threads or to interleave memory: need a container that "
                               "allows sched_setaffinity and set_mempolicy; slower without"));
  }
}

void warn_of_idle_cores(const Places& all, const std::vector<int>& ranks, std::vector<std::string>& warnings) {
  std::vector<int> job;
  std::vector<int> used;
  for (const int rank : ranks) {
    job = united(job, at(all, rank).job_cores);
    used = united(used, at(all, rank).placement.cores);
  }
  std::vector<int> idle;
  std::set_difference(job.begin(), job.end(), used.begin(), used.end(), std::back_inserter(idle));
  if (!idle.empty()) {
    warnings.push_back(to_text(at(all, ranks.front()).host, ": ", idle.size(), " of the job's ", job.size(), " cores ",
                               idle.size() == 1 ? "is idle" : "are idle", ": its ",
                               ranks.size() == 1 ? "rank is" : "ranks are", " bound to ", cores_text(used),
                               ": need mpirun --bind-to none, or scripts/mpirun.sh, to use ", cores_text(idle)));
  }
}

void warn_of_instruction_sets(const Places& all, std::vector<std::string>& warnings) {
  std::map<std::string, std::vector<int>> ranks_by_set;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    ranks_by_set[all[rank].instruction_sets].push_back(static_cast<int>(rank));
  }
  if (ranks_by_set.size() < 2) {
    return;
  }
  std::string text;
  for (const auto& [sets, ranks] : ranks_by_set) {
    text += to_text(text.empty() ? "" : "; ", sets, " on ", rank_list(ranks));
  }
  warnings.push_back("ranks have different instruction sets: " + text +
                     ": results differ in their last bits from those of equal nodes");
}

}  // namespace

std::vector<std::string> describe_places(const Places& all) {
  constexpr std::size_t kMostNodes = 32;
  const std::vector<std::vector<int>> nodes = ranks_by_node(all);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::min(nodes.size(), kMostNodes); ++i) {
    lines.push_back(describe_node(all, nodes[i]));
  }
  if (nodes.size() > kMostNodes) {
    lines.push_back(to_text("and ", nodes.size() - kMostNodes, " more nodes"));
  }
  return lines;
}

std::vector<std::string> placement_warnings(const Places& all) {
  std::vector<std::string> warnings;
  for (const std::vector<int>& ranks : ranks_by_node(all)) {
    warn_of_sharing(all, ranks, warnings);
    warn_of_idle_cores(all, ranks, warnings);
    warn_of_spanning(all, ranks, warnings);
    warn_of_refusal(all, ranks, warnings);
  }
  warn_of_instruction_sets(all, warnings);
  return warnings;
}

}  // namespace backflow::train
