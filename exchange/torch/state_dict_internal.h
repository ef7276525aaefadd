#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <backflow/exchange/torch/pickle_internal.h>

namespace backflow::io::detail {

/// The tensors of a dictionary, by their index in Pickle::tensors, and the numbers and texts beside them.
struct StateDict {
  std::vector<std::pair<std::string, std::size_t>> tensors;
  std::vector<std::pair<std::string, const PickleValue*>> numbers;  ///< of collect_values() alone: Bool, Int, Float
  std::map<std::string, std::string> metadata;
};

/// Finds the dictionary `key` in a pickle, or without a key the one that read_torch() names. Throws Error, which
/// `where` starts, when there is none or a choice.
StateDict find_state_dict(const Pickle& pickle, const std::string& key, const std::string& where);

/// All that a pickle holds: tensors and numbers, named by the keys and positions that lead to them, joined by dots. A
/// value that is in no container is "0". Texts are metadata. The pickle must outlive the result.
StateDict collect_values(const Pickle& pickle, const std::string& where);

}  // namespace backflow::io::detail
