// What the child process that reads a dump sends: a catalog, or an Error.
#include <string>

#include <backflow/io/dumps/dump_catalog_internal.h>
#include <backflow/runtime/base/error.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    backflow::io::detail::decode_catalog(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  } catch (const backflow::Error&) {
  }
  return 0;
}
