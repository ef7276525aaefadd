#pragma once

#include <map>
#include <string>

#include <backflow/exchange/tensor_format.h>
#include <backflow/nn/archive/contents.h>

namespace backflow::serialize {

/// The values of an archive as what every format holds: tensors and texts. Numbers are tensors without dimensions, and
/// which they are is said in the text "backflow.numbers", a line for each; so are tensors that require a gradient, but
/// for those of modules, in "backflow.requires_grad". Other texts: "backflow.kind" of Contents::kind, "backflow.empty"
/// with a line for each archive without values, "backflow.text.NAME" of a value.
struct FileContents {
  io::NamedTensors tensors;
  std::map<std::string, std::string> metadata;
};

FileContents encode(const Contents& contents);
Contents decode(io::TensorFile file, std::string source);

/// The same of a file that read_torch_values() has read: texts by their own names are values too.
Contents decode_torch(io::TensorFile file, std::string source);

}  // namespace backflow::serialize
