# cmake --install: headers, static libraries, the program, and a package for find_package(backflow).

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/backflow)

# Headers in ops/kernels and those called *_internal.h are ours alone.
foreach(library ${libraries})
  string(REPLACE backflow_ "" folder ${library})
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/backflow
          FILES_MATCHING PATTERN "*.h" PATTERN "*.inc" PATTERN "*_internal.h" EXCLUDE PATTERN kernels EXCLUDE)
endforeach()
file(GLOB top_headers CONFIGURE_DEPENDS *.h)
install(FILES ${top_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/backflow)
if(BACKFLOW_GENERATED_HEADERS)
  install(DIRECTORY ${BACKFLOW_GENERATED_DIR}/backflow DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
          FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
endif()

# The program and what starts it: `cmake --install BUILD --component program` installs these alone.
if(TARGET backflow_program)
  install(TARGETS backflow_program COMPONENT program)
  install(PROGRAMS scripts/mpirun.sh DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  install(FILES scripts/lib.sh scripts/placement.sh scripts/launch_mpi.py DESTINATION share/backflow COMPONENT program)
  install(PROGRAMS scripts/slurm/train.sbatch DESTINATION share/backflow/slurm COMPONENT program)
endif()

install(TARGETS backflow ${libraries} EXPORT backflow)
install(EXPORT backflow NAMESPACE backflow:: FILE backflowTargets.cmake DESTINATION ${package_dir})

configure_package_config_file(cmake/backflowConfig.cmake.in ${PROJECT_BINARY_DIR}/backflowConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/backflowConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/backflowConfig.cmake ${PROJECT_BINARY_DIR}/backflowConfigVersion.cmake
              cmake/FindOneDNN.cmake cmake/FindParallelHDF5.cmake
        DESTINATION ${package_dir})
