#include <backflow/distributed/mpi_communicator.h>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <utility>

#include <backflow/distributed/mpi_world_internal.h>

namespace backflow::distributed {
namespace {

/// Everything that must outlive the communicator when it could not be closed: until the process exits, when it ends the
/// job.
struct Engine {
  Engine() {
    try {
      thread.run([this] { world.open(); });
    } catch (...) {
      thread.close({});
      throw;
    }
  }

  CommunicationThread thread{[](int code) { MPI_Abort(MPI_COMM_WORLD, code); }};
  MpiWorld world{thread};
  std::string failure;  ///< the first Error of MPI, after which no call is made; the thread's own
};

std::atomic<Engine*> unfinished{nullptr};  ///< not closed yet
pid_t owner = 0;

/// Runs when the process exits. A rank that goes without having finalised MPI has failed: the others must not wait.
void end_job_unless_finalized() {
  Engine* engine = unfinished.load();
  if (engine != nullptr && getpid() == owner) {  // a forked child has no communication thread
    engine->thread.abort(EXIT_FAILURE);
  }
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() : engine_(std::make_unique<Engine>()), exceptions_(std::uncaught_exceptions()) {
    unfinished = engine_.get();
    owner = getpid();
    static const int registered = std::atexit(end_job_unless_finalized);
    check(registered == 0, "communicator: no room for another exit handler: need one");
  }

  ~MpiCommunicator() override {
    const bool failing = std::uncaught_exceptions() > exceptions_;
    if (!failing && engine_->thread.close([this] { engine_->world.close(); })) {
      unfinished = nullptr;
    } else {
      static_cast<void>(engine_.release());
    }
  }

  int rank() const noexcept override { return engine_->world.rank(); }
  int size() const noexcept override { return engine_->world.size(); }
  int local_rank() const noexcept override { return engine_->world.local_rank(); }
  int local_size() const noexcept override { return engine_->world.local_size(); }

  void barrier() override {
    call({Call::Kind::Barrier}, [] {});
  }

  std::vector<std::string> all_gather(const std::string& text) override {
    std::vector<std::string> texts;
    call({Call::Kind::AllGather}, [&] { texts = engine_->world.all_gather(text); });
    return texts;
  }

  void run(const std::function<void()>& job) override { engine_->thread.run(job); }
  void* native_handle() noexcept override { return &engine_->world.comm(); }
  [[noreturn]] void abort(int exit_code) noexcept override { engine_->thread.abort(exit_code); }

 protected:
  void reduce(Buffer x) override {
    call(describe(Call::Kind::AllReduce, x, 0), [=, this] { engine_->world.all_reduce(x); });
  }

  void reduce_async(Buffer x, std::int64_t tag, Completion done) override {
    engine_->thread.post(guarded(describe(Call::Kind::AllReduceAsync, x, tag),
                                 [engine = engine_.get(), x] { engine->world.all_reduce(x); }),
                         std::move(done));
  }

  void send_from(Buffer x, int root) override {
    call(describe(Call::Kind::Broadcast, x, root), [=, this] { engine_->world.broadcast(x, root); });
  }

 private:
  static Call describe(Call::Kind kind, Buffer x, std::int64_t tag) {
    return {kind, x.count, static_cast<std::int64_t>(x.dtype), tag};
  }

  void call(const Call& call, const std::function<void()>& work) { engine_->thread.run(guarded(call, work)); }

  /// `work` after the ranks have agreed to do it, unless MPI has failed before.
  CommunicationThread::Job guarded(const Call& call, std::function<void()> work) {
    return [engine = engine_.get(), call, work = std::move(work)] {
      check(engine->failure.empty(), "communicator: unusable: an earlier call failed: ", engine->failure);
      try {
        engine->world.agree(call);
        work();
      } catch (const MpiError& error) {
        engine->failure = error.what();
        throw;
      }
    };
  }

  std::unique_ptr<Engine> engine_;
  int exceptions_;  ///< in flight when the communicator was made
};

}  // namespace

std::shared_ptr<Communicator> make_mpi_communicator() { return std::make_shared<MpiCommunicator>(); }

}  // namespace backflow::distributed
