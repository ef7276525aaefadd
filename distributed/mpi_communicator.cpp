#include <backflow/distributed/mpi_communicator.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/mpi_call_internal.h>
#include <backflow/distributed/mpi_world_internal.h>
#include <backflow/distributed/quiet_abort_internal.h>
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

  /// Compares `call` over the ranks; throws Error on all of them when they differ.
  void agree(const MpiCall& call);
  void all_reduce(Buffer x);
  void broadcast(Buffer x, int root);
  std::vector<std::string> all_gather(const std::string& text);

 private:
  [[noreturn]] void fail_disagreement(const MpiCall& call);

  MpiWorld& world_;
  std::vector<std::byte> scratch_;  ///< where reductions arrive
};

void Collectives::agree(const MpiCall& call) {
  if (world_.size() == 1) {
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

void Collectives::fail_disagreement(const MpiCall& call) {
  const auto mine = call.words();
  std::vector<std::int64_t> all(mine.size() * static_cast<std::size_t>(world_.size()));
  MPI_Request request = MPI_REQUEST_NULL;
  const int count = static_cast<int>(mine.size());
  world_.check_mpi(
      MPI_Iallgather(mine.data(), count, MPI_INT64_T, all.data(), count, MPI_INT64_T, world_.comm(), &request),
      "MPI_Iallgather");
  world_.wait(request, "MPI_Iallgather");

  const auto call_of = [&](int rank) {
    const auto* words = &all[mine.size() * static_cast<std::size_t>(rank)];
    return MpiCall{static_cast<MpiCall::Kind>(words[0]), words[1], words[2], words[3]};
  };
  int other = 1;
  while (call_of(other).words() == call_of(0).words()) {
    ++other;
  }
  fail("communicator: ranks disagree: rank 0 is at ", call_of(0).text(), ", rank ", other, " at ",
       call_of(other).text(), ": need the same call on every rank");
}

void Collectives::all_reduce(Buffer x) {
  const MPI_Datatype type = mpi_type(x.dtype);
  if (world_.size() == 1 || x.count == 0) {
    return;
  }
  const auto bytes_each = static_cast<std::int64_t>(element_size(x.dtype));
  const trace::Span span("all-reduce", static_cast<std::size_t>(x.count * bytes_each));
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

/// Whether a rank that ends the job has said why; if not, MPI says which one it was.
std::atomic<bool> has_said_why{false};

void end_job(int exit_code) {
  if (has_said_why) {
    abort_quietly(exit_code);
  }
  MPI_Abort(MPI_COMM_WORLD, exit_code);
}

/// Everything that must outlive the communicator when it could not be closed: until the process exits, when it ends the
/// job.
struct MpiRuntime {
  MpiRuntime() {
    try {
      thread.run([this] { world.open(); });
    } catch (...) {
      thread.close({});
      throw;
    }
  }

  CommunicationThread thread{end_job};
  MpiWorld world{thread};
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
    x.impl().storage->bump_version();
    // The work holds the tensor, so that its memory lives until it is done.
    const auto work = [mpi = mpi_.get(), x, buffer] { mpi->calls.all_reduce(buffer); };
    mpi_->thread.post(guarded(describe(MpiCall::Kind::AllReduceAsync, buffer, tag), work), std::move(done));
  }

  void barrier() override {
    call({MpiCall::Kind::Barrier}, [] {});
  }

  std::vector<std::string> all_gather(const std::string& text) override {
    std::vector<std::string> texts;
    call({MpiCall::Kind::AllGather}, [&] { texts = mpi_->calls.all_gather(text); });
    return texts;
  }

  void run(const std::function<void()>& job) override { mpi_->thread.run(job); }
  void* native_handle() noexcept override { return &mpi_->world.comm(); }

  [[noreturn]] void abort(int exit_code) noexcept override {
    has_said_why = true;
    mpi_->thread.abort(exit_code);
  }

 protected:
  void reduce(Buffer x) override {
    call(describe(MpiCall::Kind::AllReduce, x, 0), [=, this] { mpi_->calls.all_reduce(x); });
  }

  void send_from(Buffer x, int root) override {
    call(describe(MpiCall::Kind::Broadcast, x, root), [=, this] { mpi_->calls.broadcast(x, root); });
  }

 private:
  /// Waits for all ranks and finalises MPI. Throws Error when the others are doing something else.
  void leave() {
    mpi_->calls.agree({MpiCall::Kind::End});
    mpi_->world.close();
  }

  static MpiCall describe(MpiCall::Kind kind, Buffer x, std::int64_t tag) {
    return {kind, x.count, static_cast<std::int64_t>(x.dtype), tag};
  }

  void call(const MpiCall& call, const std::function<void()>& work) { mpi_->thread.run(guarded(call, work)); }

  /// `work` after the ranks have agreed to do it, unless MPI has failed before.
  CommunicationThread::Job guarded(const MpiCall& call, std::function<void()> work) {
    return [mpi = mpi_.get(), call, work = std::move(work)] {
      check(mpi->failure.empty(), "communicator: unusable: an earlier call failed: ", mpi->failure);
      try {
        mpi->calls.agree(call);
        work();
      } catch (const MpiError& error) {
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
