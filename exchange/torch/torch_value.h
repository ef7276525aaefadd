#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

struct TorchValue;
struct TorchList {
  std::vector<TorchValue> items;
};
struct TorchTuple {
  std::vector<TorchValue> items;
};
/// A dictionary whose keys are texts or integers. `ordered`: a collections.OrderedDict, as a module's state_dict.
struct TorchDict {
  std::vector<std::pair<TorchValue, TorchValue>> items;
  bool ordered = false;
};

/// A value of Python that torch.save() can write: True, 5, 0.1, a text, a tensor, or a container of such.
struct TorchValue {
  std::variant<bool, std::int64_t, double, std::string, Tensor, TorchList, TorchTuple, TorchDict> value;
};

/// Writes what torch.load(path, weights_only=True) reads as that value, in the zip format of write_torch(). Throws
/// Error as write_tensors(), and for keys of other kinds.
void write_torch_value(const std::string& path, const TorchValue& value,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace backflow::io
