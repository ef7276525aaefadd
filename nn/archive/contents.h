#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <backflow/runtime/tensor/ivalue.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::serialize {

/// What an archive holds: values by their path in the tree of archives, joined by dots, as "fc1.weight".
struct Contents {
  std::vector<std::pair<std::string, IValue>> values;
  std::set<std::string> empty;  ///< archives without values
  std::string kind;             ///< what was saved: "tensor", "list", "dictionary", "module", ...; "" if unknown
  std::string source;           ///< the file, for messages
};

/// A value as a tensor: a number as float64, int64 or bool without dimensions. Throws Error for text.
Tensor tensor_of(const IValue& value);
/// The number in such a tensor; the tensor itself if it is none.
IValue number_in(const Tensor& x);

}  // namespace backflow::serialize
