# Headers and sources that come from the list of operators: the methods of Tensor, the free functions, the registry.
#
# Every file that the script makes is declared to the build, so that a deleted one is made again. The script writes only
# files whose content changed: an edit of an operator's code runs it, and compiles nothing but that operator's file.
# Kernels declare no operators, so an edit there does not even run it.

set(BACKFLOW_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)
set(script ${PROJECT_SOURCE_DIR}/ops/generate.py)
file(GLOB_RECURSE declarations CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/ops/*.cpp ${PROJECT_SOURCE_DIR}/ops/*.h)
list(FILTER declarations EXCLUDE REGEX "/ops/kernels/")
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)

# The names of the outputs follow from the families. The script leaves them in outputs.txt, so that the build is
# configured anew when a file becomes a family or is one no more.
set(outputs_list ${BACKFLOW_GENERATED_DIR}/outputs.txt)
execute_process(
  COMMAND ${Python3_EXECUTABLE} ${script} --out ${BACKFLOW_GENERATED_DIR} --list ${declarations}
  OUTPUT_VARIABLE names
  COMMAND_ERROR_IS_FATAL ANY)
file(CONFIGURE OUTPUT ${outputs_list} CONTENT "${names}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script} ${outputs_list})
file(STRINGS ${outputs_list} outputs)

set(BACKFLOW_GENERATED_SOURCES ${outputs})
list(FILTER BACKFLOW_GENERATED_SOURCES INCLUDE REGEX "\\.cpp$")
set(BACKFLOW_GENERATED_HEADERS ${outputs})
list(FILTER BACKFLOW_GENERATED_HEADERS EXCLUDE REGEX "\\.cpp$")

# Libraries depend on the target, which orders their first build; then the compiler's own dependencies on the headers and
# the families' .inc count.
set(stamp ${BACKFLOW_GENERATED_DIR}/stamp)
add_custom_command(
  OUTPUT ${stamp}
  BYPRODUCTS ${outputs}
  COMMAND Python3::Interpreter ${script} --out ${BACKFLOW_GENERATED_DIR} ${declarations}
  COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
  DEPENDS ${script} ${declarations}
  COMMENT "Generating the operators' declarations"
  VERBATIM)
add_custom_target(backflow_generate DEPENDS ${stamp})
