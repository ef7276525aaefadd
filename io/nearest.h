#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backflow::io {

/// The choice with the smallest edit distance to `word`, for hints; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& choices);

}  // namespace backflow::io
