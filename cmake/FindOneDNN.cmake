# oneDNN as the target OneDNN::dnnl. Debian's own dnnl-config.cmake asks for OpenCL's development files, which nobody
# who computes on CPUs needs; the header and the library are enough.

find_path(OneDNN_INCLUDE_DIR dnnl.hpp)
find_library(OneDNN_LIBRARY dnnl)
mark_as_advanced(OneDNN_INCLUDE_DIR OneDNN_LIBRARY)

if(OneDNN_INCLUDE_DIR)
  file(GLOB version_header ${OneDNN_INCLUDE_DIR}/dnnl_version.h ${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h)
  set(OneDNN_VERSION "")
  foreach(part MAJOR MINOR PATCH)
    foreach(header ${version_header})
      file(STRINGS ${header} line REGEX "define DNNL_VERSION_${part} +[0-9]+")
      if(line MATCHES "([0-9]+)$")
        list(APPEND OneDNN_VERSION ${CMAKE_MATCH_1})
      endif()
    endforeach()
  endforeach()
  list(JOIN OneDNN_VERSION . OneDNN_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN REQUIRED_VARS OneDNN_LIBRARY OneDNN_INCLUDE_DIR VERSION_VAR OneDNN_VERSION)

if(OneDNN_FOUND AND NOT TARGET OneDNN::dnnl)
  add_library(OneDNN::dnnl UNKNOWN IMPORTED)
  set_target_properties(OneDNN::dnnl PROPERTIES IMPORTED_LOCATION ${OneDNN_LIBRARY}
                                                INTERFACE_INCLUDE_DIRECTORIES ${OneDNN_INCLUDE_DIR})
endif()
