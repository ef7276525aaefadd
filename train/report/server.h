#pragma once

#include <functional>
#include <string>
#include <vector>

namespace backflow::train {

/// Serves the report of runs that may go on, and newer data every time that the page asks for them, until
/// stop_requested(). Listens on 127.0.0.1 alone, at `port`, or at a free one for 0; calls `say` with the page's
/// address. `paths` are those of run_directories(): runs that a sweep starts later appear. Requests that name another
/// host are refused, so that no web site can read the report. Throws Error when the port is taken.
void serve_report(const std::vector<std::string>& paths, int port, const std::function<void(const std::string&)>& say);

}  // namespace backflow::train
