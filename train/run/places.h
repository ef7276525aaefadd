#pragma once

#include <string>
#include <vector>

namespace backflow::train {

/// Where a rank runs.
struct RankPlace {
  std::string host;
  std::vector<int> cores;      ///< that it may use
  std::vector<int> job_cores;  ///< of this node, that its launcher may use: the job's; empty when that is not known
  int threads = 1;             ///< that it computes with
  std::string instruction_sets;

  /// As one rank tells the others.
  std::string text() const;
  static RankPlace from(const std::string& text);
};

/// This process, but for its threads and instruction sets.
RankPlace own_place();

/// Ranks of the same node that may use exactly the same cores as `own`, itself included.
int ranks_sharing(const std::vector<RankPlace>& all, const RankPlace& own);

/// A line for each node, with the binding and the threads of each rank: "node01: ranks 0-1: 2 threads each, cores 0-3;
/// rank 2: 1 thread, core 4". With more than 32 nodes the others are counted only.
std::vector<std::string> describe_places(const std::vector<RankPlace>& all);

/// What is wrong with the places of `all` ranks: more threads than cores, cores of the job that no rank may use, nodes
/// with other instruction sets.
std::vector<std::string> placement_warnings(const std::vector<RankPlace>& all);

}  // namespace backflow::train
