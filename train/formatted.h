#pragma once

#include <string>

namespace backflow::train {

/// As std::printf, into a string. For lines of tables: what is longer than 400 characters is cut off.
[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...);

}  // namespace backflow::train
