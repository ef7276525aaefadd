#include <backflow/distributed/mpi_communicator.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/mpi_call_internal.h>
#include <backflow/distributed/mpi_world_internal.h>
#include <backflow/distributed/node_internal.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::distributed {
namespace {

/// A reduction travels in pieces of this size: it needs a second buffer (an in-place MPI_Iallreduce is defective in
/// some algorithms of Open MPI), which so stays small. Of pieces of 0.25 to 32 MiB, 2 and 4 MiB were the fastest.
constexpr std::int64_t kPieceBytes = std::int64_t{4} << 20;

MPI_Datatype mpi_type(ScalarType dtype) {
  switch (dtype) {
    case kUInt8:
      return MPI_UINT8_T;
    case kInt32:
      return MPI_INT32_T;
    case kInt64:
      return MPI_INT64_T;
    case kFloat32:
      return MPI_FLOAT;
    case kFloat64:
      return MPI_DOUBLE;
    default:
      fail("all_reduce_sum: dtype ", short_name(dtype), ": need uint8, int32, int64, float32 or float64");
  }
}

/// The collective calls, to be made on the communication thread. Nonblocking calls of MPI all of them, so that the
/// thread can be told to give up.
class Collectives {
 public:
  explicit Collectives(MpiWorld& world) : world_(world) {}

  /// From now on ranks of this node, which are all there are, meet and reduce in memory that they share.
  void use(Node* node) { node_ = node; }
  /// Compares `call` over the ranks; throws Error on all of them when they differ.
  void agree(const MpiCall& call);
  /// These compare `call` too.
  void all_reduce(const MpiCall& call, Buffer x);
  void reduce_scatter(const MpiCall& call, Buffer x);
  void all_gather(const MpiCall& call, Buffer x);
  /// After agree().
  void broadcast(Buffer x, int root);
  std::vector<std::string> all_gather(const std::string& text);

 private:
  std::vector<MpiCall> calls_of_all(const MpiCall& call);
  [[noreturn]] void fail_disagreement(const MpiCall& call);

  MpiWorld& world_;
  Node* node_ = nullptr;
  std::vector<std::byte> scratch_;  ///< where reductions arrive
};

void Collectives::agree(const MpiCall& call) {
  if (world_.size() == 1) {
    return;
  }
  if (node_ != nullptr) {
    if (!node_->rendezvous().arrive(call, {}, NodeRendezvous::Wake::Now)) {
      fail_disagreement(call);
    }
    return;
  }
  // The minimum of every word and of its negative: equal words have equal minimum and maximum.
  std::array<std::int64_t, 8> mine{};
  std::array<std::int64_t, 8> least{};
  const auto words = call.words();
  std::copy(words.begin(), words.end(), mine.begin());
  std::transform(words.begin(), words.end(), mine.begin() + 4, std::negate<>());
  MPI_Request request = MPI_REQUEST_NULL;
  world_.check_mpi(MPI_Iallreduce(mine.data(), least.data(), 8, MPI_INT64_T, MPI_MIN, world_.comm(), &request),
                   "MPI_Iallreduce");
  world_.wait(request, "MPI_Iallreduce");
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (least[i] != -least[i + 4]) {
      fail_disagreement(call);
    }
  }
}

std::vector<MpiCall> Collectives::calls_of_all(const MpiCall& call) {
  std::vector<MpiCall> calls;
  if (node_ != nullptr) {
    for (int i = 0; i < world_.size(); ++i) {
      calls.push_back(MpiCall::of(node_->rendezvous().posted(i).call));
    }
    return calls;
  }
  const auto mine = call.words();
  std::vector<std::array<std::int64_t, 4>> all(static_cast<std::size_t>(world_.size()));
  MPI_Request request = MPI_REQUEST_NULL;
  const int count = static_cast<int>(mine.size());
  world_.check_mpi(
      MPI_Iallgather(mine.data(), count, MPI_INT64_T, all.data(), count, MPI_INT64_T, world_.comm(), &request),
      "MPI_Iallgather");
  world_.wait(request, "MPI_Iallgather");
  std::transform(all.begin(), all.end(), std::back_inserter(calls), MpiCall::of);
  return calls;
}

void Collectives::fail_disagreement(const MpiCall& call) {
  const std::vector<MpiCall> calls = calls_of_all(call);
  const auto other =
      std::find_if(calls.begin(), calls.end(), [&](const MpiCall& c) { return c.words() != calls[0].words(); });
  fail("communicator: ranks disagree: rank 0 is at ", calls[0].text(), ", rank ", other - calls.begin(), " at ",
       other->text(), ": need the same call on every rank");
}

void Collectives::all_reduce(const MpiCall& call, Buffer x) {
  const MPI_Datatype type = mpi_type(x.dtype);
  const auto bytes_each = static_cast<std::int64_t>(element_size(x.dtype));
  const trace::Span span("all-reduce", static_cast<std::size_t>(x.count * bytes_each));
  if (node_ != nullptr) {
    if (!node_->sums().all_reduce(call, x)) {
      fail_disagreement(call);
    }
    return;
  }
  agree(call);
  if (world_.size() == 1 || x.count == 0) {
    return;
  }
  const std::int64_t piece = std::min(x.count, kPieceBytes / bytes_each);
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(piece * bytes_each)));
  for (std::int64_t begin = 0; begin < x.count; begin += piece) {
    const std::int64_t n = std::min(piece, x.count - begin);
    std::byte* data = static_cast<std::byte*>(x.data) + begin * bytes_each;
    MPI_Request request = MPI_REQUEST_NULL;
    world_.check_mpi(MPI_Iallreduce(data, scratch_.data(), static_cast<int>(n), type, MPI_SUM, world_.comm(), &request),
                     "MPI_Iallreduce");
    world_.wait(request, "MPI_Iallreduce");
    std::memcpy(data, scratch_.data(), static_cast<std::size_t>(n * bytes_each));
  }
}

void Collectives::reduce_scatter(const MpiCall& call, Buffer x) {
  const MPI_Datatype type = mpi_type(x.dtype);
  const std::int64_t part = x.count / world_.size();
  const auto bytes = part * static_cast<std::int64_t>(element_size(x.dtype));
  const trace::Span span("reduce-scatter", static_cast<std::size_t>(bytes * world_.size()));
  if (node_ != nullptr) {
    if (!node_->sums().reduce_scatter(call, x)) {
      fail_disagreement(call);
    }
    return;
  }
  agree(call);
  if (world_.size() == 1 || part == 0) {
    return;
  }
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(bytes)));
  MPI_Request request = MPI_REQUEST_NULL;
  world_.check_mpi(MPI_Ireduce_scatter_block(x.data, scratch_.data(), static_cast<int>(part), type, MPI_SUM,
                                             world_.comm(), &request),
                   "MPI_Ireduce_scatter_block");
  world_.wait(request, "MPI_Ireduce_scatter_block");
  std::memcpy(static_cast<std::byte*>(x.data) + world_.rank() * bytes, scratch_.data(),
              static_cast<std::size_t>(bytes));
}

void Collectives::all_gather(const MpiCall& call, Buffer x) {
  const auto bytes = x.count / world_.size() * static_cast<std::int64_t>(element_size(x.dtype));
  const trace::Span span("all-gather", static_cast<std::size_t>(bytes * world_.size()));
  if (node_ != nullptr) {
    if (!node_->sums().all_gather(call, x)) {
      fail_disagreement(call);
    }
    return;
  }
  agree(call);
  if (world_.size() == 1 || bytes == 0) {
    return;
  }
  MPI_Request request = MPI_REQUEST_NULL;
  world_.check_mpi(
      MPI_Iallgather(MPI_IN_PLACE, 0, MPI_BYTE, x.data, static_cast<int>(bytes), MPI_BYTE, world_.comm(), &request),
      "MPI_Iallgather");
  world_.wait(request, "MPI_Iallgather");
}

void Collectives::broadcast(Buffer x, int root) {
  const std::int64_t bytes = x.count * static_cast<std::int64_t>(element_size(x.dtype));
  for (std::int64_t begin = 0; begin < bytes && world_.size() > 1; begin += kPieceBytes) {
    MPI_Request request = MPI_REQUEST_NULL;
    world_.check_mpi(
        MPI_Ibcast(static_cast<std::byte*>(x.data) + begin, static_cast<int>(std::min(kPieceBytes, bytes - begin)),
                   MPI_BYTE, root, world_.comm(), &request),
        "MPI_Ibcast");
    world_.wait(request, "MPI_Ibcast");
  }
}

std::vector<std::string> Collectives::all_gather(const std::string& text) {
  const auto length = static_cast<int>(text.size());
  std::vector<int> lengths(static_cast<std::size_t>(world_.size()));
  std::vector<int> offsets(lengths.size());
  MPI_Request request = MPI_REQUEST_NULL;
  world_.check_mpi(MPI_Iallgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, world_.comm(), &request),
                   "MPI_Iallgather");
  world_.wait(request, "MPI_Iallgather");

  std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
  std::string all(static_cast<std::size_t>(offsets.back() + lengths.back()), '\0');
  world_.check_mpi(MPI_Iallgatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR,
                                   world_.comm(), &request),
                   "MPI_Iallgatherv");
  world_.wait(request, "MPI_Iallgatherv");

  std::vector<std::string> texts;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    texts.push_back(all.substr(static_cast<std::size_t>(offsets[i]), static_cast<std::size_t>(lengths[i])));
  }
  return texts;
}

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
      node = Node::join(world, world.node_comm(), rules);
    }
    // Between nodes MPI does it all.
    calls.use(world.local_size() == world.size() ? node.get() : nullptr);
  }

  CommunicationThread thread{[](int code) { MPI_Abort(MPI_COMM_WORLD, code); }};
  WaitRules rules{.still_wanted = [this] { thread.check_still_wanted(); }};
  MpiWorld world{thread, rules};
  std::unique_ptr<Node> node;
  Collectives calls{world};
  std::string failure;  ///< the first Error of MPI, after which no call is made; the thread's own
};

std::atomic<MpiRuntime*> unfinished{nullptr};  ///< not closed yet
pid_t owner = 0;

/// Runs when the process exits. A rank that goes without having finalised MPI has failed: the others must not wait.
void end_job_unless_finalized() {
  MpiRuntime* mpi = unfinished.load();
  if (mpi != nullptr && getpid() == owner) {  // a forked child has no communication thread
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
    mpi_->calls.agree(mpi_->rules.call);
    mpi_->node = nullptr;
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
