#include <backflow/train/run/places.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

#include <backflow/runtime/base/error.h>
#include <backflow/train/run/rank_list.h>

namespace backflow::train {
namespace {

using Places = std::vector<RankPlace>;

/// "core 3", "cores 0-1".
std::string cores_text(const std::vector<int>& cores) {
  return (cores.size() == 1 ? "core " : "cores ") + (cores.empty() ? "unknown" : number_list(cores));
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

std::string describe_node(const Places& all, const std::vector<int>& ranks) {
  std::vector<std::vector<int>> groups;  // of ranks with the same cores and threads
  for (const int rank : ranks) {
    const auto alike = [&](const std::vector<int>& group) {
      const RankPlace& first = at(all, group.front());
      return first.cores == at(all, rank).cores && first.threads == at(all, rank).threads;
    };
    const auto group = std::find_if(groups.begin(), groups.end(), alike);
    (group == groups.end() ? groups.emplace_back() : *group).push_back(rank);
  }
  std::string text = at(all, ranks.front()).host + ":";
  for (const std::vector<int>& group : groups) {
    const RankPlace& place = at(all, group.front());
    text += to_text(group == groups.front() ? " " : "; ", rank_list(group), ": ", place.threads,
                    place.threads == 1 ? " thread" : " threads", group.size() == 1 ? ", " : " each, ",
                    cores_text(place.cores));
  }
  return text;
}

/// Ranks that compete for cores, and all cores of theirs.
struct Group {
  std::vector<int> ranks;
  std::vector<int> cores;
};

std::vector<Group> groups_that_share(const Places& all, const std::vector<int>& ranks) {
  std::vector<Group> groups;
  for (const int rank : ranks) {
    Group merged{{rank}, at(all, rank).cores};
    std::erase_if(groups, [&](const Group& group) {
      const bool shares = overlap(group.cores, merged.cores);
      if (shares) {
        merged = {united(group.ranks, merged.ranks), united(group.cores, merged.cores)};
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
      threads += static_cast<std::size_t>(at(all, rank).threads);
    }
    if (group.cores.empty() || threads <= group.cores.size()) {
      continue;
    }
    const RankPlace& first = at(all, ranks.front());
    const bool is_bound = group.cores.size() < first.job_cores.size();
    warnings.push_back(to_text(first.host, ": ", rank_list(group.ranks), group.ranks.size() == 1 ? " has " : " have ",
                               threads, " threads on ", cores_text(group.cores),
                               group.ranks.size() == 1 ? ": need fewer --threads" : ": need fewer ranks or --threads",
                               is_bound ? ", or mpirun --bind-to none" : ""));
  }
}

void warn_of_idle_cores(const Places& all, const std::vector<int>& ranks, std::vector<std::string>& warnings) {
  std::vector<int> job;
  std::vector<int> used;
  for (const int rank : ranks) {
    job = united(job, at(all, rank).job_cores);
    used = united(used, at(all, rank).cores);
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

std::vector<int> numbers_of(const std::string& list) {
  std::vector<int> numbers;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) {
    const std::size_t dash = part.find('-');
    const int first = std::stoi(part);
    const int last = dash == std::string::npos ? first : std::stoi(part.substr(dash + 1));
    for (int number = first; number <= last; ++number) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

}  // namespace

std::string RankPlace::text() const {
  return to_text(host, '\n', number_list(cores), '\n', number_list(job_cores), '\n', threads, '\n', instruction_sets);
}

RankPlace RankPlace::from(const std::string& text) {
  std::istringstream in(text);
  const auto line = [&in] {
    std::string next;
    std::getline(in, next);
    return next;
  };
  RankPlace place;
  place.host = line();
  place.cores = numbers_of(line());
  place.job_cores = numbers_of(line());
  place.threads = std::stoi(line());
  place.instruction_sets = line();
  return place;
}

int ranks_sharing(const Places& all, const RankPlace& own) {
  return static_cast<int>(std::count_if(all.begin(), all.end(), [&](const RankPlace& other) {
    return other.host == own.host && other.cores == own.cores;
  }));
}

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
  }
  warn_of_instruction_sets(all, warnings);
  return warnings;
}

}  // namespace backflow::train
