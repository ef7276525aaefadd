#include <backflow/runtime/base/warning.h>

#include <cstdio>

namespace backflow {
namespace {

WarningHandler& handler() {
  static WarningHandler current = [](const std::string& message) {
    std::fprintf(stderr, "backflow: warning: %s\n", message.c_str());
  };
  return current;
}

}  // namespace

WarningHandler set_warning_handler(WarningHandler next) { return std::exchange(handler(), std::move(next)); }

void warn_with(const std::string& message) {
  if (const WarningHandler& current = handler()) {
    current(message);
  }
}

}  // namespace backflow
