#pragma once

#include <functional>
#include <string>
#include <utility>

#include <backflow/runtime/base/error.h>

namespace backflow {

/// Receives warnings. May be called from several threads at once; must not throw.
using WarningHandler = std::function<void(const std::string& message)>;

/// Replaces the handler of the process and returns the previous one. The first handler writes a line to standard error.
/// An empty handler drops all warnings. Must not be called while another thread may warn.
WarningHandler set_warning_handler(WarningHandler handler);

void warn_with(const std::string& message);

/// Hands the text of `parts` to the handler.
template <class... Parts>
[[gnu::cold]] void warn(const Parts&... parts) {
  warn_with(to_text(parts...));
}

}  // namespace backflow
