#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

#include <backflow/distributed/calls/mpi_world_internal.h>
#include <backflow/distributed/environment.h>

namespace backflow::distributed {
namespace {

/// Over TCP Open MPI puts large messages, of which at most one at a time moves on a connection: two nodes that send to
/// each other take turns. Messages that are sent move in both directions at once (docs/internals/measurements.md). MPI
/// has no call for that, and other implementations ignore it. What the user has set counts.
void send_both_ways_over_tcp() {
  constexpr int kKeep = 0;
  setenv("OMPI_MCA_btl_tcp_flags", "send,inplace,need-ack,need-csum,hetero-rdma", kKeep);
}

}  // namespace

void MpiWorld::check_mpi(int code, const char* call) const {
  if (code == MPI_SUCCESS) {
    return;
  }
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw UnusableError(to_text(call, ": ", std::string_view(text, static_cast<std::size_t>(length)), " (rank ", rank_,
                              " of ", size_, ")"));
}

void MpiWorld::open(const MpiSource& source) {
  if (source.comm == MPI_COMM_NULL) {
    initialize();
  } else {
    int level = MPI_THREAD_SINGLE;
    check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
    main_thread_ = level < MPI_THREAD_SERIALIZED;
    check_thread();
  }
  try {
    find_ranks(source);
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
          provided,
          ": need MPI_THREAD_MULTIPLE; or Communicator::from(MPI_COMM_WORLD), whose calls are made by the "
          "caller's thread; or leave it to Communicator::world()");
    return;
  }
  send_both_ways_over_tcp();
  // Funneled is enough for this thread, which makes every call; duplicates have threads of their own.
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  owns_mpi_ = true;
  check(provided >= MPI_THREAD_FUNNELED, "communicator: this MPI library gives thread level ", provided,
        ": need at least MPI_THREAD_FUNNELED");
}

bool MpiWorld::serves_all_threads() const {
  int level = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
  return level == MPI_THREAD_MULTIPLE;
}

MPI_Comm MpiWorld::duplicate() const {
  check(serves_all_threads() || !owns_mpi_,
        "communicator: duplicate: this MPI library gives a thread level below MPI_THREAD_MULTIPLE: need that, since "
        "each communicator has a thread");
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(comm_, &copy), "MPI_Comm_dup");
  return copy;
}

void MpiWorld::check_thread() const {
  int is_main = 1;
  if (main_thread_) {
    check_mpi(MPI_Is_thread_main(&is_main), "MPI_Is_thread_main");
  }
  check(is_main != 0,
        "communicator: MPI was initialised so that only the thread that did it may call MPI, and this is another one: "
        "need calls from that thread, or MPI_Init_thread with MPI_THREAD_SERIALIZED or MPI_THREAD_MULTIPLE");
}

void MpiWorld::find_ranks(const MpiSource& source) {
  const bool is_world = source.comm == MPI_COMM_NULL;
  const MPI_Comm all = is_world ? MPI_COMM_WORLD : source.comm;
  if (is_world) {
    check_mpi(MPI_Comm_set_errhandler(all, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  }
  check_mpi(MPI_Comm_rank(all, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(all, &size_), "MPI_Comm_size");
  const int started = launch_environment().size;
  check(!is_world || size_ > 1 || started <= 1, "communicator: the launcher started ", started,
        " processes, of which MPI sees this one alone: need a launcher that belongs to this MPI library; "
        "with Slurm, srun --mpi=pmix");
  if (source.is_ours) {
    comm_ = all;
  } else {
    check_mpi(MPI_Comm_dup(all, &comm_), "MPI_Comm_dup");
  }
  check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");

  check_mpi(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_comm_), "MPI_Comm_split_type");
  pretend_nodes();
  check_mpi(MPI_Comm_set_errhandler(node_comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_rank(node_comm_, &local_rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(node_comm_, &local_size_), "MPI_Comm_size");
}

/// For tests of several nodes on one machine: BACKFLOW_PRETEND_NODES=2 makes two of each.
void MpiWorld::pretend_nodes() {
  const char* text = std::getenv("BACKFLOW_PRETEND_NODES");
  const int nodes = text == nullptr ? 1 : std::atoi(text);
  if (nodes < 2) {
    return;
  }
  int rank = 0;
  int size = 0;
  check_mpi(MPI_Comm_rank(node_comm_, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(node_comm_, &size), "MPI_Comm_size");
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(node_comm_, rank * nodes / size, rank, &part), "MPI_Comm_split");
  check_mpi(MPI_Comm_free(&node_comm_), "MPI_Comm_free");
  node_comm_ = part;
}

void MpiWorld::meet() {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(comm_, &request), "MPI_Ibarrier");
  wait(request, "MPI_Ibarrier");
}

void MpiWorld::close() {
  check_mpi(MPI_Comm_free(&node_comm_), "MPI_Comm_free");
  check_mpi(MPI_Comm_free(&comm_), "MPI_Comm_free");
  finalize();
}

void MpiWorld::finalize() {
  if (owns_mpi_) {
    check_mpi(MPI_Finalize(), "MPI_Finalize");
  }
}

void MpiWorld::wait(MPI_Request request, const char* call) {
  // Which rank it is that does not come, MPI does not tell.
  wait_until([&] { return test(request, call); }, [] { return std::vector<AwaitedRank>(); });
}

void MpiWorld::wait_all(std::vector<MPI_Request>& requests, const WaitWatch::Awaited& awaited) {
  // One by one: MPI_Testall would not tell which are done while some are not.
  wait_until(
      [&] {
        return std::count_if(requests.begin(), requests.end(),
                             [this](MPI_Request& request) { return !test(request, "MPI_Test"); }) == 0;
      },
      awaited);
}

bool MpiWorld::test(MPI_Request& request, const char* call) const {
  int done = 0;
  check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
  return done != 0;
}

void MpiWorld::wait_until(const std::function<bool()>& test, const WaitWatch::Awaited& awaited) {
  using Clock = std::chrono::steady_clock;
  // Ranks of the awaited one's node know better, so they may speak first; after them the first leader.
  const WaitWatch::Late late(std::min(2.0, 0.5 + 0.05 * rank_));
  WaitWatch watch(
      rules_, rules_.call, awaited, [this] { return local_rank_ == 0; }, [] { return true; }, late);
  Clock::time_point last_look = Clock::now();
  thread_.wait_until([&] {
    if (test()) {
      return true;
    }
    const Clock::time_point now = Clock::now();
    if (now - last_look > WaitWatch::kNap) {
      last_look = now;
      watch.look();
    }
    return false;
  });
}

}  // namespace backflow::distributed
