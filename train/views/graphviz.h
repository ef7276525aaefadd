#pragma once

#include <string>

namespace backflow::train {

/// Draws a graph in Graphviz's language: what its program `dot`, which must be in the PATH, makes of it in `format`, as
/// "svg". Throws Error when the program is not there or fails.
std::string run_graphviz(const std::string& dot, const std::string& format);

}  // namespace backflow::train
