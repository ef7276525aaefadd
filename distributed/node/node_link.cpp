#include <algorithm>
#include <numeric>

#include <backflow/distributed/node/node_link_internal.h>
#include <backflow/ops/kernels/reductions/sum_buffers.h>

namespace backflow::distributed {
namespace {

constexpr int kTag = 1;

std::int64_t count_of(const std::vector<Range>& ranges) {
  return std::accumulate(ranges.begin(), ranges.end(), std::int64_t{0},
                         [](std::int64_t sum, const Range& range) { return sum + range.count; });
}

}  // namespace

std::unique_ptr<NodeLink> NodeLink::join(MpiWorld& world, const WaitRules& rules) {
  std::unique_ptr<NodeLink> link(new NodeLink(world, rules));
  const bool leads = world.local_rank() == 0;
  world.check_mpi(MPI_Comm_split(world.comm(), leads ? 0 : MPI_UNDEFINED, world.rank(), &link->leaders_),
                  "MPI_Comm_split");
  if (leads) {
    world.check_mpi(MPI_Comm_set_errhandler(link->leaders_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  }
  // Every rank knows its leader; leaders are numbered by rank.
  int leader = world.rank();
  world.check_mpi(MPI_Bcast(&leader, 1, MPI_INT, 0, world.node_comm()), "MPI_Bcast");
  std::vector<int> leaders(static_cast<std::size_t>(world.size()));
  world.check_mpi(MPI_Allgather(&leader, 1, MPI_INT, leaders.data(), 1, MPI_INT, world.comm()), "MPI_Allgather");
  std::vector<int> all = leaders;
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  const auto node_of = [&all](int rank) { return std::lower_bound(all.begin(), all.end(), rank) - all.begin(); };
  link->index_ = static_cast<int>(node_of(leader));
  link->ranks_.resize(all.size());
  for (int rank = 0; rank < world.size(); ++rank) {
    link->ranks_[static_cast<std::size_t>(node_of(leaders[static_cast<std::size_t>(rank)]))].push_back(rank);
  }
  return link;
}

NodeLink::~NodeLink() {
  if (leaders_ != MPI_COMM_NULL) {
    MPI_Comm_free(&leaders_);
  }
}

/// By a message from each to each, so that a node that does not come is known by its number.
void NodeLink::begin_agreement(const MpiCall& call, Agreement here) {
  const auto words = call.words();
  std::copy(words.begin(), words.end(), mine_.begin());
  mine_.back() = static_cast<std::int64_t>(here);
  calls_.resize(ranks_.size());
  constexpr std::int64_t kBytes = sizeof mine_;
  for (int node = 0; node < size(); ++node) {
    if (node == index_) {
      calls_[static_cast<std::size_t>(node)] = mine_;
      continue;
    }
    receive(reinterpret_cast<std::byte*>(calls_[static_cast<std::size_t>(node)].data()), kBytes, node);
    send(reinterpret_cast<std::byte*>(mine_.data()), kBytes, node);
  }
}

Agreement NodeLink::end_agreement() {
  wait_for_all();
  const auto& first = calls_.front();
  if (!std::all_of(calls_.begin(), calls_.end(),
                   [&](const auto& call) { return std::equal(call.begin(), call.end() - 1, first.begin()); })) {
    return Agreement::None;
  }
  std::int64_t least = first.back();
  for (const auto& call : calls_) {
    least = std::min(least, call.back());
  }
  return static_cast<Agreement>(least);
}

void NodeLink::reduce_scatter(std::byte* data, ScalarType dtype, const Shares& shares) {
  const auto bytes_each = static_cast<std::int64_t>(element_size(dtype));
  const std::vector<Range>& own = shares[static_cast<std::size_t>(index_)];
  const std::int64_t own_bytes = count_of(own) * bytes_each;
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(own_bytes) * ranks_.size()));
  for (int node = 0; node < size(); ++node) {
    if (node == index_) {
      continue;
    }
    std::byte* place = scratch_.data() + node * own_bytes;
    for (const Range& range : own) {
      receive(place, range.count * bytes_each, node);
      place += range.count * bytes_each;
    }
    for (const Range& range : shares[static_cast<std::size_t>(node)]) {
      send(data + range.begin * bytes_each, range.count * bytes_each, node);
    }
  }
  wait_for_all();

  std::int64_t done = 0;
  for (const Range& range : own) {
    std::byte* const place = data + range.begin * bytes_each;
    std::vector<std::byte*> parts;
    for (int node = 0; node < size(); ++node) {
      parts.push_back(node == index_ ? place : scratch_.data() + node * own_bytes + done);
    }
    kernels::sum_buffers(dtype, parts, {&place, 1}, range.count);
    done += range.count * bytes_each;
  }
}

void NodeLink::all_gather(std::byte* data, ScalarType dtype, const Shares& shares) {
  const auto bytes_each = static_cast<std::int64_t>(element_size(dtype));
  for (int node = 0; node < size(); ++node) {
    if (node == index_) {
      continue;
    }
    for (const Range& range : shares[static_cast<std::size_t>(node)]) {
      receive(data + range.begin * bytes_each, range.count * bytes_each, node);
    }
    for (const Range& range : shares[static_cast<std::size_t>(index_)]) {
      send(data + range.begin * bytes_each, range.count * bytes_each, node);
    }
  }
  wait_for_all();
}

void NodeLink::send(std::byte* data, std::int64_t bytes, int node) {
  if (bytes > 0) {
    requests_.push_back(MPI_REQUEST_NULL);
    nodes_.push_back(node);
    world_.check_mpi(MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, node, kTag, leaders_, &requests_.back()),
                     "MPI_Isend");
  }
}

void NodeLink::receive(std::byte* data, std::int64_t bytes, int node) {
  if (bytes > 0) {
    requests_.push_back(MPI_REQUEST_NULL);
    nodes_.push_back(node);
    world_.check_mpi(MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, node, kTag, leaders_, &requests_.back()),
                     "MPI_Irecv");
  }
}

void NodeLink::wait_for_all() {
  world_.wait_all(requests_, [this] { return awaited(); });
  requests_.clear();
  nodes_.clear();
}

/// The leaders of nodes with which something is still under way.
std::vector<AwaitedRank> NodeLink::awaited() const {
  std::vector<AwaitedRank> ranks;
  for (int node = 0; node < size(); ++node) {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      if (nodes_[i] == node && requests_[i] != MPI_REQUEST_NULL) {
        ranks.push_back({ranks_of(node).front(), 0});
        break;
      }
    }
  }
  return ranks;
}

}  // namespace backflow::distributed
