#pragma once

#include <string>

#include <backflow/runtime/base/function_ref.h>

namespace backflow::io::detail {

/// Calls `body` in a child process, whose results are dropped. Throws Error, "PATH: ...", when the child crashes or
/// takes longer than a minute; an exception in it is no such end. For libraries that damaged files bring down. Where no
/// child can be started nothing is called.
void probe_in_child(const std::string& path, FunctionRef<void()> body);

}  // namespace backflow::io::detail
