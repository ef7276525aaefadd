# How our own code is compiled.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# Results must not depend on what the compiler fuses or reorders: no contraction, and never -ffast-math.
add_compile_options(-ffp-contract=off -fno-math-errno)
# One load of two neighbouring members waits for the two stores that have just made them, in every small operation: 10 ns
# of the 85 of `y * 1.0001` on 8 elements (GCC 12, EPYC, 2026-11-30). Loops are vectorized all the same.
add_compile_options(-fno-tree-slp-vectorize)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  add_compile_options(-Wno-restrict)  # false for every `"text" + string`: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105651
endif()
# Messages and traces show paths relative to the tree.
add_compile_options(-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= -fmacro-prefix-map=${PROJECT_BINARY_DIR}/include/backflow/=)
add_compile_definitions(BACKFLOW_VERSION="${PROJECT_VERSION}")

if(BACKFLOW_WERROR)
  add_compile_options(-Werror)
endif()
if(BACKFLOW_SANITIZE)
  # g++ 12 takes the sanitizers' code in std::function for uninitialised variables.
  add_compile_options(-fsanitize=${BACKFLOW_SANITIZE} -fno-omit-frame-pointer -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=${BACKFLOW_SANITIZE})
  # oneTBB's flow graph casts a task down after its destructor.
  add_compile_options(-fno-sanitize=vptr)
endif()
if(BACKFLOW_BUILD_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    message(FATAL_ERROR "BACKFLOW_BUILD_FUZZ: libFuzzer is a part of clang: need CMAKE_CXX_COMPILER=clang++")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
