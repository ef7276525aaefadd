#pragma once

#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/communicator.h>

namespace backflow::train {

/// What a run depends on, name and value: {"optimizer.lr", "0.05"}, {"data.train", "60000 samples of ..."}.
using Facts = std::vector<std::pair<std::string, std::string>>;

/// The value of a name; empty when there is none.
const std::string& value_of(const Facts& facts, const std::string& name);
/// Whether two values as TOML writes them are the same: "1" and "1.0" are, as numbers and in arrays.
bool same_value(const std::string& a, const std::string& b);
/// A value for a message: cut where it is long, "not given" for none.
std::string shown(const std::string& value);

/// In what the ranks differ: "optimizer.lr is 0.05 on rank 0, 0.06 on ranks 1-3; seed is ...", the first eight such
/// names and the number of the others. Empty when all agree.
std::string describe_differences(const std::vector<Facts>& by_rank);

/// describe_differences() of what all ranks have. Collective.
std::string differences_between_ranks(distributed::Communicator& world, const Facts& own);

/// Throws SharedFailure on all ranks, with the exit code of a wrong configuration, unless all have the same facts.
/// Collective.
void check_ranks_agree(distributed::Communicator& world, const Facts& own);

}  // namespace backflow::train
