#include <backflow/distributed/mpi/mpi_communicator.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <backflow/distributed/calls/call_times_internal.h>
#include <backflow/distributed/calls/mpi_call_internal.h>
#include <backflow/distributed/calls/mpi_world_internal.h>
#include <backflow/distributed/calls/quiet_abort_internal.h>
#include <backflow/distributed/mpi/mpi_collectives_internal.h>
#include <backflow/distributed/mpi/mpi_tree_sum_internal.h>
#include <backflow/distributed/node/node_internal.h>
#include <backflow/distributed/node/node_link_internal.h>

namespace backflow::distributed {
namespace {

/// Whether a rank that ends the job has said why; if not, MPI says which one it was.
std::atomic<bool> has_said_why{false};

void end_job(int exit_code) {
  if (has_said_why) {
    abort_quietly(exit_code);
  }
  MPI_Abort(MPI_COMM_WORLD, exit_code);
}

/// From so many nodes on, each one's share of a bucket makes messages too small to be sent to every other node.
constexpr int kManyNodes = 64;

/// Everything that must outlive the communicator when it could not be closed: until the process exits, when it ends the
/// job.
struct MpiRuntime {
  MpiRuntime(const MpiSource& source, CommunicationThread::Runner runner) : thread(end_job, runner) {
    try {
      thread.run([&] { open(source); });
    } catch (...) {
      thread.close({});
      throw;
    }
  }

  void open(const MpiSource& source) {
    world.open(source);
    if (world.size() > 1) {
      join_nodes();
    }
  }

  void join_nodes() {
    node = Node::join(world, world.node_comm(), rules);
    rules.absent = [this] { return node ? node->rendezvous().absent() : std::vector<AwaitedRank>(); };
    int all_share = 0;
    const int shares = node ? 1 : 0;
    world.check_mpi(MPI_Allreduce(&shares, &all_share, 1, MPI_INT, MPI_MIN, world.comm()), "MPI_Allreduce");
    link = NodeLink::join(world, rules);
    if (all_share == 0) {
      node = nullptr;
    } else {
      node->sums().use(link->size() > 1 ? link.get() : nullptr);
    }
    use(Hierarchy::Auto);
  }

  void use(Hierarchy hierarchy) {
    hierarchy_in_use = hierarchy;
    const bool wanted =
        hierarchy == Hierarchy::On || (hierarchy == Hierarchy::Auto && link && link->size() <= kManyNodes);
    calls.use(wanted ? node.get() : nullptr);
    // Between nodes a call waits for the network and polls; inside of one it sleeps in shared memory.
    thread.let_callers_run(wanted && node && link->size() == 1 && world.serves_all_threads());
  }

  Hierarchy hierarchy_in_use = Hierarchy::Auto;
  CommunicationThread thread;
  WaitRules rules{.still_wanted = [this] { thread.check_still_wanted(); },
                  .is_idle = [this] { return thread.runs_on_caller(); }};
  MpiWorld world{thread, rules};
  std::unique_ptr<Node> node;      ///< null when there is one rank, and when ranks cannot share memory
  std::unique_ptr<NodeLink> link;  ///< null when there is one rank
  MpiCollectives calls{world};
  MpiTreeSum tree_sum{world};
  bool others_speak = false;  ///< this rank has left while the others want something, which they tell
  std::string failure;        ///< the first Error of MPI, after which no call is made; the thread's own
};

constexpr std::chrono::seconds kOthersSpeak{1};

/// The runtimes that are not closed yet. A rank that exits meanwhile has failed: the others must not wait. Thread-safe.
class Unfinished {
 public:
  static void add(MpiRuntime& runtime) {
    static const int registered = std::atexit(at_exit);
    check(registered == 0, "communicator: no room for another exit handler: need one");
    const std::lock_guard lock(mutex_);
    all_.push_back(&runtime);
    owner_ = getpid();
  }
  static void remove(const MpiRuntime& runtime) {
    const std::lock_guard lock(mutex_);
    all_.erase(std::find(all_.begin(), all_.end(), &runtime));
  }

 private:
  /// Runs when the process exits.
  static void at_exit() {
    MpiRuntime* left = nullptr;
    {
      const std::lock_guard lock(mutex_);
      left = all_.empty() ? nullptr : all_.front();
    }
    int finalized = 0;
    MPI_Finalized(&finalized);                                      // then the ranks have parted in order
    if (left != nullptr && finalized == 0 && getpid() == owner_) {  // a forked child has no communication thread
      if (left->others_speak) {
        std::this_thread::sleep_for(kOthersSpeak);
      }
      left->thread.abort(EXIT_FAILURE);
    }
  }

  inline static std::mutex mutex_;
  inline static std::vector<MpiRuntime*> all_;
  inline static pid_t owner_ = 0;
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(const MpiSource& source, CommunicationThread::Runner runner)
      : mpi_(std::make_unique<MpiRuntime>(source, runner)), exceptions_(std::uncaught_exceptions()) {
    Unfinished::add(*mpi_);
  }
  /// A duplicate of `original`, which lives at least as long.
  MpiCommunicator(std::shared_ptr<Communicator> original, const MpiSource& source, CommunicationThread::Runner runner)
      : MpiCommunicator(source, runner) {
    original_ = std::move(original);
  }

  ~MpiCommunicator() override {
    const bool failing = std::uncaught_exceptions() > exceptions_;
    if (!failing && mpi_->thread.close([this] { leave(); })) {
      Unfinished::remove(*mpi_);
    } else {
      static_cast<void>(mpi_.release());
    }
  }

  int rank() const noexcept override { return mpi_->world.rank(); }
  int size() const noexcept override { return mpi_->world.size(); }
  int local_rank() const noexcept override { return mpi_->world.local_rank(); }
  int local_size() const noexcept override { return mpi_->world.local_size(); }

  void all_reduce_async(const Tensor& x, std::int64_t tag, Completion done) override {
    const Buffer buffer = buffer_of("all_reduce_async", x);
    post(describe(MpiCall::Kind::AllReduceAsync, buffer, tag), x, std::move(done),
         [mpi = mpi_.get(), buffer](const MpiCall& call) { mpi->calls.all_reduce(call, buffer); });
  }

  void reduce_scatter_async(const Tensor& x, std::int64_t tag, Completion done) override {
    const Buffer buffer = parts_of("reduce_scatter_async", x);
    post(describe(MpiCall::Kind::ReduceScatterAsync, buffer, tag), x, std::move(done),
         [mpi = mpi_.get(), buffer](const MpiCall& call) { mpi->calls.reduce_scatter(call, buffer); });
  }

  void all_gather_async(const Tensor& x, std::int64_t tag, Completion done) override {
    const Buffer buffer = parts_of("all_gather_async", x);
    post(describe(MpiCall::Kind::AllGatherAsync, buffer, tag), x, std::move(done),
         [mpi = mpi_.get(), buffer](const MpiCall& call) { mpi->calls.all_gather(call, buffer); });
  }

  void tree_sum_async(const Tensor& nodes, int shards, const Tensor& sum, std::int64_t tag, Completion done) override {
    check_tree_sum(nodes, shards, sum);
    const Buffer from = buffer_of("tree_sum", nodes);
    const Buffer to = buffer_of("tree_sum", sum);
    post(describe(MpiCall::Kind::TreeSum, to, tag), sum, std::move(done),
         [mpi = mpi_.get(), nodes, from, to, shards](const MpiCall& call) {
           mpi->calls.agree(call);
           mpi->tree_sum.run(from, shards, to);
         });
  }

  void barrier() override {
    call({MpiCall::Kind::Barrier}, [this](const MpiCall& call) { mpi_->calls.agree(call); });
  }

  std::vector<std::string> all_gather(const std::string& text) override {
    std::vector<std::string> texts;
    call({MpiCall::Kind::AllGather}, [&](const MpiCall& call) { texts = mpi_->calls.all_gather(call, text); });
    return texts;
  }

  Tensor allocate(std::int64_t numel, ScalarType dtype) override {
    check(numel >= 0, "allocate: ", numel, " elements: need 0 or more");
    const Tensor x = mpi_->node ? mpi_->node->memory()->allocate(numel, dtype) : Tensor();
    return x.defined() ? x : Communicator::allocate(numel, dtype);
  }

  std::shared_ptr<Communicator> duplicate() override {
    MpiSource source{.is_ours = true};
    WaitLimits limits;
    auto hierarchy = Hierarchy::Auto;
    call({MpiCall::Kind::Duplicate}, [&](const MpiCall& call) {
      mpi_->calls.agree(call);
      source.comm = mpi_->world.duplicate();
      limits = mpi_->rules.limits;
      hierarchy = mpi_->hierarchy_in_use;
    });
    auto copy = std::make_shared<MpiCommunicator>(shared_from_this(), source, mpi_->thread.runner());
    copy->set_wait_limits(limits);
    copy->set_hierarchy(hierarchy);
    const std::atomic<std::int64_t>* const step = mpi_->rules.step_of_original;
    copy->mpi_->thread.run(
        [&, to = copy->mpi_.get()] { to->rules.step_of_original = step != nullptr ? step : &mpi_->rules.step; });
    return copy;
  }
  bool has_thread() const noexcept override { return mpi_->thread.runner() == CommunicationThread::Runner::OwnThread; }
  void progress() override { mpi_->thread.progress(); }

  void set_wait_limits(const WaitLimits& limits) override {
    mpi_->thread.run([this, limits] { mpi_->rules.limits = limits; });
  }
  void set_hierarchy(Hierarchy hierarchy) override {
    mpi_->thread.run([this, hierarchy] { mpi_->use(hierarchy); });
  }
  void note_step(std::int64_t step) noexcept override { mpi_->rules.step.store(step, std::memory_order_relaxed); }

  void run(const std::function<void()>& job) override { mpi_->thread.run_on_thread(job); }
  void* native_handle() noexcept override { return &mpi_->world.comm(); }

  bool claim_failure() noexcept override { return !mpi_->node || mpi_->node->rendezvous().claim_failure(); }

  [[noreturn]] void abort(int exit_code) noexcept override {
    has_said_why = true;
    mpi_->thread.abort(exit_code);
  }

 protected:
  void reduce(Buffer x) override {
    call(describe(MpiCall::Kind::AllReduce, x, 0), [=, this](const MpiCall& call) { mpi_->calls.all_reduce(call, x); });
  }

  void send_from(Buffer x, int root) override {
    call(describe(MpiCall::Kind::Broadcast, x, root), [=, this](const MpiCall& call) {
      mpi_->calls.agree(call);
      mpi_->calls.broadcast(x, root);
    });
  }

 private:
  using Work = std::function<void(const MpiCall&)>;

  /// Waits for all ranks and finalises MPI. Throws Error when the others are doing something else.
  void leave() {
    mpi_->world.check_thread();
    mpi_->rules.call = {MpiCall::Kind::End};
    try {
      mpi_->calls.agree(mpi_->rules.call);
    } catch (const RanksDisagree&) {
      mpi_->others_speak = true;
      throw;
    }
    mpi_->world.meet();  // a rank may still look at what it shares with those of its node
    mpi_->node = nullptr;
    mpi_->link = nullptr;
    mpi_->world.close();
  }

  static MpiCall describe(MpiCall::Kind kind, Buffer x, std::int64_t tag) {
    return {kind, x.count, static_cast<std::int64_t>(x.dtype), tag};
  }

  void call(const MpiCall& call, const Work& work) {
    const CallerTime time;
    mpi_->thread.run(guarded(call, work, time.since()));
  }

  /// Queues `work` on `x`, whose memory it holds until it is done.
  void post(const MpiCall& call, const Tensor& x, Completion done, const Work& work) {
    x.impl().storage->bump_version();
    mpi_->thread.post(guarded(
                          call, [x, work](const MpiCall& it) { work(it); }, CallTimes::now_if_traced()),
                      std::move(done));
  }

  /// `work`, in which the ranks agree to do it, unless the communicator has failed before. `wanted`: see CallTimes.
  CommunicationThread::Job guarded(const MpiCall& call, Work work, std::int64_t wanted) {
    return [mpi = mpi_.get(), call, work = std::move(work), wanted] {
      check(mpi->failure.empty(), "communicator: unusable: an earlier call failed: ", mpi->failure);
      mpi->world.check_thread();
      try {
        mpi->rules.call = call;
        const CallTimes times(call, wanted, mpi->world.size());
        work(call);
      } catch (const UnusableError& error) {
        mpi->failure = error.what();
        throw;
      }
    };
  }

  std::shared_ptr<Communicator> original_;
  std::unique_ptr<MpiRuntime> mpi_;
  int exceptions_;  ///< in flight when the communicator was made
};

}  // namespace

std::shared_ptr<Communicator> make_mpi_communicator() {
  return std::make_shared<MpiCommunicator>(MpiSource(), CommunicationThread::Runner::OwnThread);
}

std::shared_ptr<Communicator> make_mpi_communicator(const void* comm, std::size_t bytes) {
  constexpr const char* kWhere = "communicator: from(MPI_Comm): ";
  MpiSource source;
  check(bytes == sizeof source.comm, kWhere, "a handle of ", bytes,
        " bytes: need an MPI_Comm of the MPI library that Backflow was built with");
  std::memcpy(&source.comm, comm, bytes);
  int initialized = 0;
  int finalized = 0;
  int level = MPI_THREAD_SINGLE;
  check(MPI_Initialized(&initialized) == MPI_SUCCESS && MPI_Finalized(&finalized) == MPI_SUCCESS && initialized != 0 &&
            finalized == 0,
        kWhere, finalized != 0 ? "MPI has been finalised" : "MPI is not initialised",
        ": need a call between MPI_Init_thread and MPI_Finalize");
  check(source.comm != MPI_COMM_NULL, kWhere, "MPI_COMM_NULL: need a communicator that this process is a member of");
  int is_inter = 0;
  check(MPI_Comm_test_inter(source.comm, &is_inter) == MPI_SUCCESS && is_inter == 0, kWhere,
        "an intercommunicator: need one group of ranks");
  check(MPI_Query_thread(&level) == MPI_SUCCESS, kWhere, "MPI_Query_thread failed: need an MPI that works");
  return std::make_shared<MpiCommunicator>(source, level == MPI_THREAD_MULTIPLE ? CommunicationThread::Runner::OwnThread
                                                                                : CommunicationThread::Runner::Caller);
}

}  // namespace backflow::distributed
