# Headers and sources that come from the list of operators: the methods of Tensor, the free functions, the registry.
# The script writes only files whose content changed, so that editing a kernel does not rebuild the world.

set(BACKFLOW_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)
set(BACKFLOW_GENERATED_SOURCES ${BACKFLOW_GENERATED_DIR}/backflow/ops/generated_methods.cpp
                               ${BACKFLOW_GENERATED_DIR}/backflow/ops/generated_registry.cpp)
set(BACKFLOW_GENERATED_HEADERS ${BACKFLOW_GENERATED_DIR}/backflow/runtime/tensor/tensor_methods.inc
                               ${BACKFLOW_GENERATED_DIR}/backflow/ops/functions.h)

set(script ${PROJECT_SOURCE_DIR}/ops/generate.py)
file(GLOB_RECURSE families CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/ops/*.cpp)
list(FILTER families EXCLUDE REGEX "/ops/(kernels|autograd)/")
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
set(stamp ${PROJECT_BINARY_DIR}/generated/stamp)
add_custom_command(
  OUTPUT ${stamp}
  BYPRODUCTS ${BACKFLOW_GENERATED_SOURCES} ${BACKFLOW_GENERATED_HEADERS}
  COMMAND Python3::Interpreter ${script} --out ${BACKFLOW_GENERATED_DIR} ${families}
  COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
  DEPENDS ${script} ${families}
  COMMENT "Generating the operators' declarations"
  VERBATIM)
add_custom_target(backflow_generate DEPENDS ${stamp})
