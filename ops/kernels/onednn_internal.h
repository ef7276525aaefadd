#pragma once

// The one place that knows oneDNN's versions: 2.6 (Debian 12) and 3.x (Debian 13) both compile behind it.

#include <oneapi/dnnl/dnnl_version.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <omp.h>

#if DNNL_VERSION_MAJOR < 2 || (DNNL_VERSION_MAJOR == 2 && DNNL_VERSION_MINOR < 6)
#error "Backflow needs oneDNN 2.6 or newer"
#endif

namespace backflow::kernels {

/// While it lives, oneDNN sees one OpenMP thread on this thread: parallelism is the pool's. The thread's own setting
/// comes back at the end, since it may be the user's.
class SingleOpenMpThread {
 public:
  SingleOpenMpThread() : previous_(omp_get_max_threads()) {
    if (previous_ != 1) {
      omp_set_num_threads(1);
    }
  }
  ~SingleOpenMpThread() {
    if (previous_ != 1) {
      omp_set_num_threads(previous_);
    }
  }
  SingleOpenMpThread(const SingleOpenMpThread&) = delete;
  SingleOpenMpThread& operator=(const SingleOpenMpThread&) = delete;

 private:
  int previous_;
};

}  // namespace backflow::kernels
