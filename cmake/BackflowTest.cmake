# backflow_test(name SOURCES file... LIBRARIES library... LABELS label... [RANKS n...] [TIMEOUT seconds] [PROCESSORS n])
#
# One test program. It is registered as NAME, without the test cases tagged [slow] or [.], and as NAME_slow, labelled slow,
# which runs them. With RANKS, once for every number of ranks, as NAME_n, under mpirun. A program whose tests mostly compute on
# one thread says PROCESSORS 1, and runs beside another; others have all cores.
#
# backflow_script_test(folder script): registers a script, .sh or .py. Its environment has BACKFLOW_BIN, the directory of
# the programs, and BACKFLOW_SOURCE, the tree. One that cannot run here ends with 77, after it has said why. Scripts mostly
# wait for programs that start and end, so two of them share two cores; not those whose programs give up after a few
# seconds of waiting for each other.
#
# backflow_output_test(name EXPECTED file COMMAND command... LABELS label... [NEEDS module]): a command that must print what
# the file holds and end with 0; with NEEDS it is skipped where the system's Python lacks the module.

set(BACKFLOW_TEST_ENVIRONMENT
    "BACKFLOW_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
    "BACKFLOW_SOURCE=${PROJECT_SOURCE_DIR}"
    "OMPI_ALLOW_RUN_AS_ROOT=1"
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp:ignore_noninstrumented_modules=1"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1")
set(BACKFLOW_ASAN_OPTIONS "ASAN_OPTIONS=allocator_may_return_null=1")

# Sanitized programs run several times slower.
set(BACKFLOW_TIMEOUT_FACTOR 1)
if(BACKFLOW_SANITIZE)
  set(BACKFLOW_TIMEOUT_FACTOR 5)
endif()

function(backflow_register name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;PROCESSORS" "COMMAND;LABELS")
  math(EXPR timeout "${arg_TIMEOUT} * ${BACKFLOW_TIMEOUT_FACTOR}")
  set(environment ${BACKFLOW_TEST_ENVIRONMENT} ${BACKFLOW_ASAN_OPTIONS})
  if(mpi IN_LIST arg_LABELS)
    # Open MPI leaves memory behind, in plugins that are unloaded when the leaks are looked for.
    string(APPEND environment ":detect_leaks=0")
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES
    LABELS "${arg_LABELS}"
    TIMEOUT ${timeout}
    PROCESSORS ${arg_PROCESSORS}
    ENVIRONMENT "${environment}")
endfunction()

function(backflow_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;PROCESSORS" "SOURCES;LIBRARIES;LABELS;RANKS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} backflow_test_support backflow_test_main)

  # Where the tests' threads are part of what is tested, a program counts as all of the machine's cores.
  set(cores ${arg_PROCESSORS})
  if(NOT cores)
    cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  endif()
  if(arg_RANKS)
    foreach(ranks ${arg_RANKS})
      backflow_register(${name}_${ranks}
        COMMAND mpirun --bind-to none --map-by slot:OVERSUBSCRIBE -n ${ranks} $<TARGET_FILE:${name}> ~[slow]~[.]
        LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} PROCESSORS ${cores})
      backflow_register(${name}_${ranks}_slow
        COMMAND mpirun --bind-to none --map-by slot:OVERSUBSCRIBE -n ${ranks} $<TARGET_FILE:${name}> [slow]
        LABELS ${arg_LABELS} slow TIMEOUT ${arg_TIMEOUT} PROCESSORS ${cores})
    endforeach()
  else()
    backflow_register(${name} COMMAND ${name} ~[slow]~[.] LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} PROCESSORS ${cores})
    backflow_register(${name}_slow COMMAND ${name} [slow]
      LABELS ${arg_LABELS} slow TIMEOUT ${arg_TIMEOUT} PROCESSORS ${cores})
  endif()
endfunction()

# Scripts of folders whose programs start ranks are labelled mpi too.
function(backflow_script_test folder script)
  cmake_path(GET script STEM LAST_ONLY stem)
  cmake_path(GET script EXTENSION LAST_ONLY extension)
  set(interpreter bash)
  if(extension STREQUAL .py)
    set(interpreter /usr/bin/python3)
  endif()
  set(labels unit)
  if(folder MATCHES "^(distributed|train|cluster)$")
    list(APPEND labels mpi)
  endif()
  if(folder STREQUAL cluster)
    string(REPLACE _test "" label ${stem})
    list(APPEND labels ${label})
  endif()
  set(processors 1)
  if(folder MATCHES "^(distributed|cluster)$" OR stem MATCHES "^(failures|job_end|signals)_test$")
    set(processors 2)
  endif()
  backflow_register(${folder}_${stem} COMMAND ${interpreter} ${script} LABELS ${labels} TIMEOUT 600 PROCESSORS ${processors})
  set_tests_properties(${folder}_${stem} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

function(backflow_output_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "EXPECTED;NEEDS" "COMMAND;LABELS")
  set(needs)
  if(arg_NEEDS)
    set(needs --needs ${arg_NEEDS})
  endif()
  backflow_register(${name}
    COMMAND bash ${PROJECT_SOURCE_DIR}/tests/scripts/compare_output.sh ${needs} ${arg_EXPECTED} ${arg_COMMAND}
    LABELS ${arg_LABELS} TIMEOUT 120 PROCESSORS 1)
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()
