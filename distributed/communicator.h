#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <backflow/distributed/environment.h>
#include <backflow/distributed/wait_limits.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/engine/completion.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::distributed {

/// Memory that takes part in a collective call: `count` contiguous elements of `dtype`.
struct Buffer {
  void* data = nullptr;
  std::int64_t count = 0;
  ScalarType dtype = kFloat32;
};

/// Whether ranks of a node reduce through memory that they share and one of them talks to other nodes, or MPI does it
/// all. Auto: where they can share memory, up to 64 nodes. It does not depend on a measurement, because the bits of a
/// sum depend on it.
enum class Hierarchy { Auto, On, Off };

/// What every rank gets when they are not all about to make the same call.
class RanksDisagree : public Error {
 public:
  using Error::Error;
};

/// The processes of a job, its ranks. A process started without a launcher is a world of one rank, in which collective
/// calls do nothing. So no code has to ask "is MPI on?".
///
///   auto world = Communicator::world();           // in main(), for as long as there is something to exchange
///   world->all_reduce_sum(loss);                  // every rank has the sum of all ranks' loss
///
/// Collective calls: all ranks make the same calls in the same order. A communication thread does the work, one call
/// after the other; the caller waits, except in all_reduce_async. When ranks make different calls, or with different
/// sizes or dtypes, all get RanksDisagree, an Error that says who called what, and may go on. An Error of MPI itself
/// names the call and the rank; the communicator is unusable afterwards, as it is after a call that waited too long for
/// another rank (see WaitLimits). Any thread but the communication thread may call.
///
/// Ending: when the last handle is destroyed, the ranks wait for each other and MPI is finalised. When an exception
/// destroys it, or when the ranks disagree, MPI is not finalised. Then the exit of the process ends the whole job, so
/// that no rank waits for one that has failed. So keep the handle in main(), not in a static variable, which is
/// destroyed too late.
class Communicator : public std::enable_shared_from_this<Communicator> {
 public:
  /// The ranks of this job. The first call initialises MPI; later calls return the same communicator. Throws Error when
  /// MPI cannot be initialised, when it has been finalised, and when the launcher started several processes of which
  /// MPI sees only one. Thread-safe.
  static std::shared_ptr<Communicator> world();

  /// The ranks of `comm`, an MPI_Comm of a program that has initialised MPI itself; it may be a part of the world. The
  /// ranks communicate in a duplicate of it. Collective over `comm`. MPI is finalised by the program, after the handle
  /// is gone. Throws Error for MPI_COMM_NULL, an intercommunicator, and when MPI is not initialised.
  ///
  /// With the thread level MPI_THREAD_MULTIPLE everything is as with world(). Below, there is no communication thread:
  /// calls are made by the thread that waits for them, at the levels below MPI_THREAD_SERIALIZED only by the one that
  /// initialised MPI; elsewhere they are an Error. Nothing then overlaps with computing. At MPI_THREAD_SERIALIZED the
  /// program must not call MPI meanwhile.
  template <class MpiComm>
  static std::shared_ptr<Communicator> from(const MpiComm& comm) {
    return from_address(&comm, sizeof comm);
  }

  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  virtual int rank() const noexcept = 0;
  virtual int size() const noexcept = 0;
  /// This process among those of its node, and how many there are.
  virtual int local_rank() const noexcept = 0;
  virtual int local_size() const noexcept = 0;

  /// Replaces `x` by the sum over the ranks, the same bits on every rank. Contiguous; uint8, int32, int64, bfloat16,
  /// float32, float64; no elements is fine. Throws Error for anything else. bfloat16 is added in float32 in the order
  /// of the ranks, and the sum is rounded once.
  void all_reduce_sum(const Tensor& x);
  void all_reduce_sum(std::span<double> x) { reduce({x.data(), std::ssize(x), kFloat64}); }
  void all_reduce_sum(std::span<std::int64_t> x) { reduce({x.data(), std::ssize(x), kInt64}); }

  /// The same without waiting. `x` must not be used until `done` is called; it is kept alive. `done` is called on the
  /// communication thread, in a world of one at once. It must neither wait for this communicator nor throw. Reductions
  /// start in the order of the calls. `tag` has to be the same on all ranks, which is checked.
  virtual void all_reduce_async(const Tensor& x, std::int64_t tag, Completion done) = 0;
  /// The two halves of it, under the same rules. `x` is cut into size() equal parts, of which part r belongs to rank r.
  /// After the first call, part r of rank r is the sum over the ranks, and the other parts of that rank have no defined
  /// contents. The second call copies every rank's part to all ranks; it takes any dtype. Throws Error when the number
  /// of elements is no multiple of size().
  virtual void reduce_scatter_async(const Tensor& x, std::int64_t tag, Completion done) = 0;
  virtual void all_gather_async(const Tensor& x, std::int64_t tag, Completion done) = 0;

  /// A tensor of zeros, in memory that the ranks of a node share where they can: reductions of it need no copies. Not
  /// a collective call. It may be kept longer than the communicator. Throws Error for a negative `numel`.
  virtual Tensor allocate(std::int64_t numel, ScalarType dtype);

  /// The sum over `shards` shards in a fixed order, that of the tree in shards.h: the same bits on every number of
  /// ranks. Row i of `nodes`, [subtrees, n], is the sum of subtrees_in(shards, this rank's shards)[i]. `sum`, [n], gets
  /// the sum of all; it may be the first row. Both contiguous, float32 or float64. Otherwise as all_reduce_async.
  virtual void tree_sum_async(const Tensor& nodes, int shards, const Tensor& sum, std::int64_t tag, Completion done);
  /// The same with waiting.
  void tree_sum(const Tensor& nodes, int shards, const Tensor& sum);

  /// Replaces `x` by the `x` of rank `root`. Contiguous, any dtype.
  void broadcast(const Tensor& x, int root = 0);
  /// Returns when all ranks have called it.
  virtual void barrier() = 0;
  /// Every rank's text, by rank. For small things: the texts may differ in length.
  virtual std::vector<std::string> all_gather(const std::string& text) = 0;

  /// The same ranks once more: the calls of the two do not wait for each other. Collective; so is the destruction of
  /// the duplicate, which keeps this one alive. Throws Error when MPI has a thread level that does not serve two
  /// threads.
  virtual std::shared_ptr<Communicator> duplicate();
  /// False when calls are only made by those who wait for them, see from(): asynchronous ones then start in progress().
  virtual bool has_thread() const noexcept { return true; }
  /// Without a thread: makes the calls that are queued, and those that their completions queue.
  virtual void progress() {}

  /// Runs `job` on the communication thread, after all earlier calls, waits, and rethrows its exception. For libraries
  /// that call MPI themselves, as parallel HDF5. Not a collective call.
  virtual void run(const std::function<void()>& job) = 0;
  /// Address of the MPI_Comm, for use inside run(); null in a world of one.
  virtual void* native_handle() noexcept = 0;

  /// From now on: how long calls wait for other ranks, and who hears of it. Every rank should set the same.
  virtual void set_wait_limits(const WaitLimits& /*limits*/) {}
  /// From now on; the same on every rank, between the same calls. Auto at first.
  virtual void set_hierarchy(Hierarchy /*hierarchy*/) {}
  /// The step that the program is at, for messages about waiting. Thread-safe.
  virtual void note_step(std::int64_t /*step*/) noexcept {}

  /// Whether this rank is the first of its node to have failed, and so the one that tells. The others should wait a
  /// little: its abort() ends them. Thread-safe.
  virtual bool claim_failure() noexcept { return true; }

  /// Ends all ranks of the job at once with this exit code. C and C++ streams of this rank are flushed first. For a
  /// rank that has failed and has reported it. Thread-safe.
  [[noreturn]] virtual void abort(int exit_code) noexcept = 0;

  /// Counts those that number their calls by tags of their own, see ReductionTag: 0, 1, 2 and so on, the same on all
  /// ranks when they ask in the same order. Not collective. Thread-safe.
  std::int64_t next_user() noexcept { return users_.fetch_add(1, std::memory_order_relaxed); }

 protected:
  /// The memory of a tensor for a call that writes it. Throws Error, which begins with `where`, unless it is
  /// contiguous.
  static Buffer buffer_of(const char* where, const Tensor& x);
  /// The same for a call that cuts it into size() parts.
  Buffer parts_of(const char* where, const Tensor& x) const;

  /// Throws Error unless the arguments of tree_sum_async fit.
  void check_tree_sum(const Tensor& nodes, int shards, const Tensor& sum) const;

  virtual void reduce(Buffer x) = 0;
  virtual void send_from(Buffer x, int root) = 0;

 private:
  static std::shared_ptr<Communicator> from_address(const void* comm, std::size_t bytes);

  std::atomic<std::int64_t> users_{0};
};

}  // namespace backflow::distributed
