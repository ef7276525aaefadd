# backflow_library(FOLDER [LAYERS folder...] [PUBLIC library...] [PRIVATE library...])
#
# Makes the library of the folder it is called in, and of all below: target backflow_FOLDER, alias backflow::FOLDER.
# LAYERS are the folders that it may use; nothing else is linked, so that an upward call does not link.
function(backflow_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LAYERS;PUBLIC;PRIVATE")
  set(target backflow_${folder})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  list(TRANSFORM arg_LAYERS PREPEND backflow_)
  set(includes "$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include;${PROJECT_BINARY_DIR}/generated>"
               "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")

  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC "${includes}")
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC ${arg_LAYERS} ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  add_dependencies(${target} backflow_generate)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${folder})
  add_library(backflow::${folder} ALIAS ${target})
  set_property(GLOBAL APPEND PROPERTY BACKFLOW_LIBRARIES ${target})
endfunction()
