#pragma once

#include <string>

namespace backflow::train {

/// What sharing work costs, and how fast memory is; times in ns. At first the figures are typical ones.
struct Machine {
  int cores = 0;                 ///< that costs were measured on; 0 for typical ones
  double first_helper = 2'000;   ///< from the start of a loop until a second core has a task of it
  double further_helpers = 400;  ///< more of it for every doubling of the helpers
  double first_join = 500;       ///< from the end of a loop's last task until the core that started it goes on
  double further_joins = 100;    ///< more of it for every doubling of the helpers
  double task = 60;              ///< each task of a loop, beside its work
  double graph_task = 800;       ///< each task of a graph
  double handover = 2'000;       ///< from the end of a task until another core starts one that waited for it
  double bytes_per_ns = 12;      ///< of memory, on one core
  double bandwidth_limit = 12;   ///< what 64 cores have of it, as a multiple of what one has
  double cached_bytes = 2e6;     ///< of an operator's tensors that caches of a core hold

  /// Until helper number k, from 1, has a task of a loop.
  double start(int k) const;
  /// After a loop with so many helpers, from 1.
  double join(int helpers) const;
  /// Of memory, that so many cores share: bytes_per_ns * n / (1 + (n - 1) / c), which grows like n at first and stays
  /// below c; c is such that 64 cores have bandwidth_limit times what one has.
  double total_bandwidth(int sharing) const;
  /// A few lines for people.
  std::string text() const;
};

/// Measures the machine that this runs on, with the pool of threads.h on 2 cores, 4, 8, up to all that the process may
/// use. Takes about a second. Nothing else of this process may compute meanwhile; the pool has as many threads
/// afterwards as before. Where other processes keep the cores busy, or there is but one, the figures stay typical.
Machine measure_machine();

}  // namespace backflow::train
