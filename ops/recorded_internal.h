#pragma once

#include <backflow/ops/registry.h>

namespace backflow::detail {

/// Declares an operator that others record, by what PyTorch calls its node; it is no public function.
constexpr OperatorInfo recorded_by_others(const char* node) {
  return {.name = node, .signature = node, .formula = "", .doc = "", .dtypes = kFloatingDtypes, .node = node};
}

}  // namespace backflow::detail
