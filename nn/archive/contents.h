#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <backflow/nn/archive/ivalue.h>

namespace backflow::serialize {

/// What an archive holds: values by their path in the tree of archives, joined by dots, as "fc1.weight".
struct Contents {
  std::vector<std::pair<std::string, IValue>> values;
  std::set<std::string> empty;  ///< archives without values
  std::string kind;             ///< what was saved: "tensor", "list", "dictionary", "module", ...; "" if unknown
  std::string source;           ///< the file, for messages
};

}  // namespace backflow::serialize
