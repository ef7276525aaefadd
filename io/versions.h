#pragma once

#include <map>
#include <string>

namespace backflow::io {

/// The versions of the libraries that io uses. Shared libraries as loaded at run time: {"hdf5", "1.10.8"}, {"zlib",
/// "1.2.13"}. Header-only ones as compiled: {"tomlplusplus", "3.3.0"}, {"nlohmann_json", "3.11.2"}.
std::map<std::string, std::string> library_versions();

}  // namespace backflow::io
