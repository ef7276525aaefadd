#pragma once

// The C++ bindings that older MPI libraries bring are not ours, and full of warnings.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <functional>
#include <vector>

#include <backflow/distributed/calls/communication_thread.h>
#include <backflow/distributed/calls/wait_watch_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::distributed {

/// Which ranks an MpiWorld has.
struct MpiSource {
  MPI_Comm comm = MPI_COMM_NULL;  ///< those of this; null: all of the job, for which MPI is initialised
  bool is_ours = false;           ///< made for the world, which frees it
};

/// MPI as the communication thread sees it: every function must be called on that thread.
class MpiWorld {
 public:
  MpiWorld(CommunicationThread& thread, const WaitRules& rules) : thread_(thread), rules_(rules) {}

  /// Learns who we are, and initialises MPI if need be. Throws Error. Collective over the ranks of `source`.
  void open(const MpiSource& source);
  /// The same ranks, for another world with a thread of its own. Collective. Throws Error when MPI can't serve several.
  MPI_Comm duplicate() const;
  /// Whether MPI serves several threads at once.
  bool serves_all_threads() const;
  /// Throws Error unless this thread may call MPI.
  void check_thread() const;
  /// Finalises MPI, which no rank may use any more.
  void close();

  /// Throws UnusableError, with the name of the call that gave it, unless `code` means success.
  void check_mpi(int code, const char* call) const;
  /// Returns when the request is done. Throws UnusableError, and Cancelled when the thread is to give up.
  void wait(MPI_Request request, const char* call);
  /// The same for several requests. `awaited` tells which ranks have not come.
  void wait_all(std::vector<MPI_Request>& requests, const WaitWatch::Awaited& awaited);

  /// Returns when all ranks have called it.
  void meet();

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }
  MPI_Comm& comm() { return comm_; }
  /// Of the ranks of this node.
  MPI_Comm node_comm() const { return node_comm_; }

 private:
  void initialize();
  void find_ranks(const MpiSource& source);
  void pretend_nodes();
  bool test(MPI_Request& request, const char* call) const;
  void wait_until(const std::function<bool()>& test, const WaitWatch::Awaited& awaited);
  void finalize();

  CommunicationThread& thread_;
  const WaitRules& rules_;
  MPI_Comm comm_ = MPI_COMM_NULL;  ///< our own, so that no message of others meets ours
  MPI_Comm node_comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  bool owns_mpi_ = false;     ///< false when the program has initialised MPI itself
  bool main_thread_ = false;  ///< only the one that initialised MPI may call it
};

}  // namespace backflow::distributed
