#pragma once

// The C++ bindings that older MPI libraries bring are not ours, and full of warnings.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/distributed/communication_thread.h>
#include <backflow/distributed/communicator.h>

namespace backflow::distributed {

/// What a rank is about to do; all ranks must be about to do the same. Compared before every call, so that different
/// sizes are an Error on all ranks rather than a hang or a wrong sum.
struct Call {
  enum class Kind : std::int64_t { Barrier, AllReduce, AllReduceAsync, Broadcast, AllGather, End };
  Kind kind = Kind::Barrier;
  std::int64_t count = 0;
  std::int64_t dtype = 0;
  std::int64_t tag = 0;  ///< of an asynchronous reduction; the root of a broadcast

  std::array<std::int64_t, 4> words() const { return {static_cast<std::int64_t>(kind), count, dtype, tag}; }
  /// For messages: "broadcast f32[10] from rank 0".
  std::string text() const;
};

/// An Error of MPI itself, after which nothing more can be expected of it.
class MpiError : public Error {
 public:
  using Error::Error;
};

/// MPI as the communication thread sees it: every function must be called on that thread. Nonblocking calls
/// all of them, so that the thread can be told to give up.
class MpiWorld {
 public:
  explicit MpiWorld(CommunicationThread& thread) : thread_(thread) {}

  /// Initialises MPI and learns who we are. Throws Error.
  void open();
  /// Waits for all ranks and finalises MPI. Throws Error when the others are doing something else.
  void close();

  /// Compares `call` over the ranks; throws Error on all of them when they differ.
  void agree(const Call& call);
  void all_reduce(Buffer x);
  void broadcast(Buffer x, int root);
  std::vector<std::string> all_gather(const std::string& text);

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }
  MPI_Comm& comm() { return comm_; }

 private:
  void initialize();
  void find_ranks();
  void finalize();
  void check_mpi(int code, const char* call) const;
  void wait(MPI_Request request, const char* call);
  [[noreturn]] void fail_disagreement(const Call& call);

  CommunicationThread& thread_;
  MPI_Comm comm_ = MPI_COMM_NULL;  ///< our own, so that no message of others meets ours
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  bool owns_mpi_ = false;           ///< false when the program has initialised MPI itself
  std::vector<std::byte> scratch_;  ///< where reductions arrive
};

}  // namespace backflow::distributed
