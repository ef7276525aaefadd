#pragma once

#include <functional>
#include <string>
#include <utility>

#include <backflow/runtime/base/error.h>

namespace backflow {

/// Takes what is worth telling and no error. May be called from several threads at once; must not throw.
using WarningHandler = std::function<void(const std::string& message)>;

/// Replaces the handler of the process and returns the one before. At first it writes a line to standard error. An
/// empty one drops all warnings. Not while warnings may come.
WarningHandler set_warning_handler(WarningHandler handler);

void warn_with(const std::string& message);

/// Hands the text of `parts` to the handler.
template <class... Parts>
[[gnu::cold]] void warn(const Parts&... parts) {
  warn_with(to_text(parts...));
}

}  // namespace backflow
