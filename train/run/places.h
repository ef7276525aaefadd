#pragma once

#include <string>
#include <vector>

#include <backflow/distributed/rank_place.h>

namespace backflow::train {

using distributed::RankPlace;

/// A line for each node, with the threads and cores of each rank: "node01: ranks 0-1: 2 threads each, cores 0-3; rank
/// 2: 7 bound threads, cores 4-10, communication on core 11". On nodes with several NUMA nodes it names these too, and
/// says whether memory is interleaved over them. With more than 32 nodes the others are counted only.
std::vector<std::string> describe_places(const std::vector<RankPlace>& all);

/// What is wrong with the places of `all` ranks: more threads than cores, hyperthreads used as cores, cores of the job
/// that no rank may use, ranks that span NUMA nodes side by side, a system that refuses to bind, nodes with other
/// instruction sets.
std::vector<std::string> placement_warnings(const std::vector<RankPlace>& all);

}  // namespace backflow::train
