# HDF5's C library, the parallel build where there is one, as the target ParallelHDF5::hdf5.
# Debian keeps several builds side by side, each with a pkg-config file: hdf5-openmpi is ours. Elsewhere the name is hdf5.
# A parallel hdf5.h includes mpi.h, so the target brings MPI along then.

if(NOT TARGET ParallelHDF5::hdf5)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    foreach(name hdf5-openmpi hdf5-mpi hdf5)
      pkg_check_modules(PC_HDF5 QUIET ${name})
      if(PC_HDF5_FOUND)
        break()
      endif()
    endforeach()
  endif()
  find_path(ParallelHDF5_INCLUDE_DIR hdf5.h HINTS ${PC_HDF5_INCLUDE_DIRS} PATH_SUFFIXES hdf5/openmpi)
  find_library(ParallelHDF5_LIBRARY hdf5 HINTS ${PC_HDF5_LIBRARY_DIRS} PATH_SUFFIXES hdf5/openmpi)
  mark_as_advanced(ParallelHDF5_INCLUDE_DIR ParallelHDF5_LIBRARY)

  set(parallel "")
  set(ParallelHDF5_VERSION "${PC_HDF5_VERSION}")
  if(ParallelHDF5_INCLUDE_DIR)
    file(STRINGS ${ParallelHDF5_INCLUDE_DIR}/H5pubconf.h parallel REGEX "define H5_HAVE_PARALLEL 1")
    if(parallel)
      set(MPI_CXX_SKIP_MPICXX ON)
      find_package(MPI QUIET COMPONENTS CXX)
    endif()
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ParallelHDF5 REQUIRED_VARS ParallelHDF5_LIBRARY ParallelHDF5_INCLUDE_DIR
                                  VERSION_VAR ParallelHDF5_VERSION)

if(ParallelHDF5_FOUND AND NOT TARGET ParallelHDF5::hdf5)
  add_library(ParallelHDF5::hdf5 UNKNOWN IMPORTED)
  set_target_properties(ParallelHDF5::hdf5 PROPERTIES IMPORTED_LOCATION ${ParallelHDF5_LIBRARY}
                                                      INTERFACE_INCLUDE_DIRECTORIES ${ParallelHDF5_INCLUDE_DIR})
  if(parallel)
    target_link_libraries(ParallelHDF5::hdf5 INTERFACE MPI::MPI_CXX)
  endif()
endif()
