#include <backflow/io/versions.h>

#include <zlib.h>
#include <nlohmann/json_fwd.hpp>

#include <backflow/io/config/tree_internal.h>
#include <backflow/io/hdf5/hdf5_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io {

std::map<std::string, std::string> library_versions() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  {
    const detail::Hdf5Lock lock;
    H5get_libversion(&major, &minor, &patch);
  }
  return {{"hdf5", to_text(major, ".", minor, ".", patch)},
          {"zlib", zlibVersion()},
          {"tomlplusplus", detail::toml_version()},
          {"nlohmann_json",
           to_text(NLOHMANN_JSON_VERSION_MAJOR, ".", NLOHMANN_JSON_VERSION_MINOR, ".", NLOHMANN_JSON_VERSION_PATCH)}};
}

}  // namespace backflow::io
