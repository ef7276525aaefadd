#pragma once

#include <string>
#include <typeinfo>

namespace backflow {

/// The name of a type as a program writes it: "backflow::nn::LinearImpl".
std::string full_type_name(const std::type_info& type);

/// The name of a type without its namespaces: "LinearImpl" of backflow::nn::LinearImpl.
std::string type_name(const std::type_info& type);

}  // namespace backflow
