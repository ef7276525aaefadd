#pragma once

#include <string>
#include <vector>

namespace backflow::train {

/// Increasing numbers, runs of them joined: "0-3,8" of 0, 1, 2, 3, 8.
std::string number_list(const std::vector<int>& numbers);
/// The same with steps, as taskset takes them: "0-6:2" of 0, 2, 4, 6. Hyperthreads are often numbered in between.
std::string core_list(const std::vector<int>& cores);
/// Ranks in a sentence: "rank 0", "ranks 0-3,8".
std::string rank_list(const std::vector<int>& ranks);

}  // namespace backflow::train
