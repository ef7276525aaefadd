#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backflow::train {

/// Whether a name matches a pattern in which '*' stands for any characters, '?' for one: "*.bias", "features.?.weight".
bool matches(std::string_view name, std::string_view pattern);
bool matches_any(std::string_view name, const std::vector<std::string>& patterns);

}  // namespace backflow::train
