#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace backflow::train {

/// Names and values as text, in their order.
using Settings = std::vector<std::pair<std::string, std::string>>;

/// A text file, or its first `most` bytes; empty when it is not there or is no regular file.
std::string head_of(const std::string& path, std::size_t most);
/// The last lines of a file that take no more than `most` bytes.
std::string tail_of(const std::string& path, std::size_t most);

/// The keys of a configuration that a run has written, as {"optimizer.lr", "0.05"}; a table of an array has its number
/// in the key. Lines of other forms are left out: this is for looking at, not for running.
Settings settings_in(const std::string& config);
/// The fields of environment.json; empty when it is damaged.
Settings environment_in(const std::string& json);

/// The settings in which some of these differ, in the order of the first; a run that lacks one has an empty text.
struct Differences {
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> values;  ///< by run, then by key
};
Differences differences(const std::vector<Settings>& all);

}  // namespace backflow::train
