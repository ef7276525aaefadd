#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <backflow/ops/registry.h>

namespace backflow::train {

/// The operators of this name or with an in-place form of this name, in their families; all for an empty one. Throws
/// io::ConfigError, with the nearest name, when there is none.
std::vector<OperatorFamily> find_operators(const std::vector<OperatorFamily>& families, std::string_view name);

/// For a terminal: under the name of each family, the operators' signatures, and below each what its declaration says.
std::string operators_text(const std::vector<OperatorFamily>& families);

/// docs/operators.md: an introduction and a table for each family.
std::string operators_markdown(const std::vector<OperatorFamily>& families);

/// "any", "all but bool", "floating" or a list, as "float32, float64".
std::string dtypes_text(const DtypeSet& dtypes);

}  // namespace backflow::train
