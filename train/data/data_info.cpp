#include <backflow/train/data/data_info.h>

#include <backflow/ops/functions.h>

namespace backflow::train {

const char* name_of(TargetKind kind) {
  switch (kind) {
    case TargetKind::Class:
      return "class";
    case TargetKind::Values:
      return "values";
    case TargetKind::Labels:
      return "labels";
    case TargetKind::Input:
      return "input";
    case TargetKind::Tokens:
      return "tokens";
  }
  return "";
}

Batch Batch::slice(std::int64_t begin, std::int64_t end) const {
  const auto part = [&](const Tensor& of) { return of.defined() ? of.narrow(0, begin, end - begin) : of; };
  if (begin == 0 && end == size()) {
    return *this;
  }
  return {part(x), part(target), part(weight)};
}

}  // namespace backflow::train
