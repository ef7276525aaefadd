#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include <backflow/distributed/environment.h>
#include <backflow/distributed/mpi_world_internal.h>
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

}  // namespace

std::string Call::text() const {
  const auto elements = [this] { return to_text(short_name(static_cast<ScalarType>(dtype)), "[", count, "]"); };
  switch (kind) {
    case Kind::Barrier:
      return "barrier";
    case Kind::AllReduce:
      return to_text("all_reduce_sum ", elements());
    case Kind::AllReduceAsync:
      return to_text("all_reduce_async ", elements(), " with tag ", tag);
    case Kind::Broadcast:
      return to_text("broadcast ", elements(), " from rank ", tag);
    case Kind::AllGather:
      return "all_gather";
    case Kind::End:
      break;
  }
  return "the end of its run";
}

void MpiWorld::check_mpi(int code, const char* call) const {
  if (code == MPI_SUCCESS) {
    return;
  }
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw MpiError(to_text(call, ": ", std::string_view(text, static_cast<std::size_t>(length)), " (rank ", rank_, " of ",
                         size_, ")"));
}

void MpiWorld::open() {
  initialize();
  try {
    find_ranks();
  } catch (...) {
    // Nobody waits for a process that MPI believes to be alone.
    if (size_ == 1) {
      finalize();
    }
    throw;
  }
}

void MpiWorld::initialize() {
  int finalized = 0;
  int initialized = 0;
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Finalized(&finalized), "MPI_Finalized");
  check(finalized == 0, "communicator: MPI has been finalised: need one communicator, held as long as it is used");
  check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
  if (initialized != 0) {
    check_mpi(MPI_Query_thread(&provided), "MPI_Query_thread");
    check(provided == MPI_THREAD_MULTIPLE, "communicator: MPI was initialised by the program with thread level ",
          provided, ": need MPI_THREAD_MULTIPLE; or leave it to Communicator::world()");
    return;
  }
  // Funneled is enough: this is the thread that makes every call.
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  owns_mpi_ = true;
  check(provided >= MPI_THREAD_FUNNELED, "communicator: this MPI library gives thread level ", provided,
        ": need at least MPI_THREAD_FUNNELED");
}

void MpiWorld::find_ranks() {
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  const int started = launch_environment().size;
  check(size_ > 1 || started <= 1, "communicator: the launcher started ", started,
        " processes, of which MPI sees this one alone: need a launcher that belongs to this MPI library; "
        "with Slurm, srun --mpi=pmix");
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");

  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
  check_mpi(MPI_Comm_rank(node, &local_rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(node, &local_size_), "MPI_Comm_size");
  check_mpi(MPI_Comm_free(&node), "MPI_Comm_free");
}

void MpiWorld::close() {
  agree({Call::Kind::End});
  check_mpi(MPI_Comm_free(&comm_), "MPI_Comm_free");
  finalize();
}

void MpiWorld::finalize() {
  if (owns_mpi_) {
    check_mpi(MPI_Finalize(), "MPI_Finalize");
  }
}

void MpiWorld::wait(MPI_Request request, const char* call) {
  thread_.wait_until([&] {
    int done = 0;
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
    return done != 0;
  });
}

void MpiWorld::agree(const Call& call) {
  if (size_ == 1) {
    return;
  }
  // The minimum of every word and of its negative: equal words have equal minimum and maximum.
  std::array<std::int64_t, 8> mine{};
  std::array<std::int64_t, 8> least{};
  const auto words = call.words();
  std::copy(words.begin(), words.end(), mine.begin());
  std::transform(words.begin(), words.end(), mine.begin() + 4, std::negate<>());
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallreduce(mine.data(), least.data(), 8, MPI_INT64_T, MPI_MIN, comm_, &request), "MPI_Iallreduce");
  wait(request, "MPI_Iallreduce");
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (least[i] != -least[i + 4]) {
      fail_disagreement(call);
    }
  }
}

void MpiWorld::fail_disagreement(const Call& call) {
  const auto mine = call.words();
  std::vector<std::int64_t> all(mine.size() * static_cast<std::size_t>(size_));
  MPI_Request request = MPI_REQUEST_NULL;
  const int count = static_cast<int>(mine.size());
  check_mpi(MPI_Iallgather(mine.data(), count, MPI_INT64_T, all.data(), count, MPI_INT64_T, comm_, &request),
            "MPI_Iallgather");
  wait(request, "MPI_Iallgather");

  const auto call_of = [&](int rank) {
    const auto* words = &all[mine.size() * static_cast<std::size_t>(rank)];
    return Call{static_cast<Call::Kind>(words[0]), words[1], words[2], words[3]};
  };
  int other = 1;
  while (call_of(other).words() == call_of(0).words()) {
    ++other;
  }
  fail("communicator: ranks disagree: rank 0 is at ", call_of(0).text(), ", rank ", other, " at ",
       call_of(other).text(), ": need the same call on every rank");
}

void MpiWorld::all_reduce(Buffer x) {
  const MPI_Datatype type = mpi_type(x.dtype);
  if (size_ == 1 || x.count == 0) {
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
    check_mpi(MPI_Iallreduce(data, scratch_.data(), static_cast<int>(n), type, MPI_SUM, comm_, &request),
              "MPI_Iallreduce");
    wait(request, "MPI_Iallreduce");
    std::memcpy(data, scratch_.data(), static_cast<std::size_t>(n * bytes_each));
  }
}

void MpiWorld::broadcast(Buffer x, int root) {
  const std::int64_t bytes = x.count * static_cast<std::int64_t>(element_size(x.dtype));
  for (std::int64_t begin = 0; begin < bytes && size_ > 1; begin += kPieceBytes) {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Ibcast(static_cast<std::byte*>(x.data) + begin,
                         static_cast<int>(std::min(kPieceBytes, bytes - begin)), MPI_BYTE, root, comm_, &request),
              "MPI_Ibcast");
    wait(request, "MPI_Ibcast");
  }
}

std::vector<std::string> MpiWorld::all_gather(const std::string& text) {
  const auto length = static_cast<int>(text.size());
  std::vector<int> lengths(static_cast<std::size_t>(size_));
  std::vector<int> offsets(lengths.size());
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, comm_, &request), "MPI_Iallgather");
  wait(request, "MPI_Iallgather");

  std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
  std::string all(static_cast<std::size_t>(offsets.back() + lengths.back()), '\0');
  check_mpi(MPI_Iallgatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), offsets.data(), MPI_CHAR, comm_,
                            &request),
            "MPI_Iallgatherv");
  wait(request, "MPI_Iallgatherv");

  std::vector<std::string> texts;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    texts.push_back(all.substr(static_cast<std::size_t>(offsets[i]), static_cast<std::size_t>(lengths[i])));
  }
  return texts;
}

}  // namespace backflow::distributed
