#include <backflow/runtime/base/type_name.h>

#include <cstdlib>

#include <cxxabi.h>

namespace backflow {

std::string full_type_name(const std::type_info& type) {
  int status = 0;
  char* text = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : type.name();
  std::free(text);
  return name;
}

std::string type_name(const std::type_info& type) {
  const std::string name = full_type_name(type);
  const std::size_t colon = name.rfind("::", name.find('<'));
  return name.substr(colon == std::string::npos ? 0 : colon + 2);
}

}  // namespace backflow
