#include <backflow/distributed/mpi_communicator.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <backflow/distributed/mpi_call_internal.h>
#include <backflow/distributed/mpi_collectives_internal.h>
#include <backflow/distributed/mpi_world_internal.h>
#include <backflow/distributed/node_internal.h>
#include <backflow/distributed/node_link_internal.h>

namespace backflow::distributed {
namespace {

/// From so many nodes on, each one's share of a bucket makes messages too small to be sent to every other node.
constexpr int kManyNodes = 64;

/// Everything that must outlive the communicator when it could not be closed: until the process exits, when it ends the
/// job.
struct MpiRuntime {
  MpiRuntime() {
    try {
      thread.run([this] { open(); });
    } catch (...) {
      thread.close({});
      throw;
    }
  }

  void open() {
    world.open();
    if (world.size() > 1) {
      join_nodes();
    }
  }

  void join_nodes() {
    node = Node::join(world, world.node_comm(), rules);
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
    const bool wanted =
        hierarchy == Hierarchy::On || (hierarchy == Hierarchy::Auto && link && link->size() <= kManyNodes);
    calls.use(wanted ? node.get() : nullptr);
  }

  CommunicationThread thread{[](int code) { MPI_Abort(MPI_COMM_WORLD, code); }};
  WaitRules rules{.still_wanted = [this] { thread.check_still_wanted(); }};
  MpiWorld world{thread, rules};
  std::unique_ptr<Node> node;      ///< null when there is one rank, and when ranks cannot share memory
  std::unique_ptr<NodeLink> link;  ///< null when there is one rank
  MpiCollectives calls{world};
  bool others_speak = false;  ///< this rank has left while the others want something, which they tell
  std::string failure;        ///< the first Error of MPI, after which no call is made; the thread's own
};

constexpr std::chrono::seconds kOthersSpeak{1};

std::atomic<MpiRuntime*> unfinished{nullptr};  ///< not closed yet
pid_t owner = 0;

/// Runs when the process exits. A rank that goes without having finalised MPI has failed: the others must not wait.
void end_job_unless_finalized() {
  MpiRuntime* mpi = unfinished.load();
  if (mpi != nullptr && getpid() == owner) {  // a forked child has no communication thread
    if (mpi->others_speak) {
      std::this_thread::sleep_for(kOthersSpeak);
    }
    mpi->thread.abort(EXIT_FAILURE);
  }
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() : mpi_(std::make_unique<MpiRuntime>()), exceptions_(std::uncaught_exceptions()) {
    unfinished = mpi_.get();
    owner = getpid();
    static const int registered = std::atexit(end_job_unless_finalized);
    check(registered == 0, "communicator: no room for another exit handler: need one");
  }

  ~MpiCommunicator() override {
    const bool failing = std::uncaught_exceptions() > exceptions_;
    if (!failing && mpi_->thread.close([this] { leave(); })) {
      unfinished = nullptr;
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

  void barrier() override {
    call({MpiCall::Kind::Barrier}, [this](const MpiCall& call) { mpi_->calls.agree(call); });
  }

  std::vector<std::string> all_gather(const std::string& text) override {
    std::vector<std::string> texts;
    call({MpiCall::Kind::AllGather}, [&](const MpiCall& call) {
      mpi_->calls.agree(call);
      texts = mpi_->calls.all_gather(text);
    });
    return texts;
  }

  Tensor allocate(std::int64_t numel, ScalarType dtype) override {
    check(numel >= 0, "allocate: ", numel, " elements: need 0 or more");
    const Tensor x = mpi_->node ? mpi_->node->memory()->allocate(numel, dtype) : Tensor();
    return x.defined() ? x : Communicator::allocate(numel, dtype);
  }

  void set_wait_limits(const WaitLimits& limits) override {
    mpi_->thread.run([this, limits] { mpi_->rules.limits = limits; });
  }
  void set_hierarchy(Hierarchy hierarchy) override {
    mpi_->thread.run([this, hierarchy] { mpi_->use(hierarchy); });
  }
  void note_step(std::int64_t step) noexcept override { mpi_->rules.step.store(step, std::memory_order_relaxed); }

  void run(const std::function<void()>& job) override { mpi_->thread.run(job); }
  void* native_handle() noexcept override { return &mpi_->world.comm(); }
  [[noreturn]] void abort(int exit_code) noexcept override { mpi_->thread.abort(exit_code); }

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

  void call(const MpiCall& call, const Work& work) { mpi_->thread.run(guarded(call, work)); }

  /// Queues `work` on `x`, whose memory it holds until it is done.
  void post(const MpiCall& call, const Tensor& x, Completion done, const Work& work) {
    x.impl().storage->bump_version();
    mpi_->thread.post(guarded(call, [x, work](const MpiCall& it) { work(it); }), std::move(done));
  }

  /// `work`, in which the ranks agree to do it, unless the communicator has failed before.
  CommunicationThread::Job guarded(const MpiCall& call, Work work) {
    return [mpi = mpi_.get(), call, work = std::move(work)] {
      check(mpi->failure.empty(), "communicator: unusable: an earlier call failed: ", mpi->failure);
      try {
        mpi->rules.call = call;
        work(call);
      } catch (const UnusableError& error) {
        mpi->failure = error.what();
        throw;
      }
    };
  }

  std::unique_ptr<MpiRuntime> mpi_;
  int exceptions_;  ///< in flight when the communicator was made
};

}  // namespace

std::shared_ptr<Communicator> make_mpi_communicator() { return std::make_shared<MpiCommunicator>(); }

}  // namespace backflow::distributed
