#include <algorithm>
#include <type_traits>

#include <backflow/distributed/mpi/mpi_tree_sum_internal.h>
#include <backflow/distributed/shards/tree_reduction.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::distributed {
namespace {

/// So much of a rank's row is exchanged at once, which bounds the scratch: about this times the subtrees of a rank.
constexpr std::int64_t kPieceBytes = std::int64_t{4} << 20;

template <class T>
MPI_Datatype type_of() {
  return std::is_same_v<T, float> ? MPI_FLOAT : MPI_DOUBLE;
}

/// Where each rank's slice of `n` elements begins, and at last where the last one ends.
std::vector<int> slice_bounds(std::int64_t n, int ranks) {
  std::vector<int> bounds;
  for (std::int64_t r = 0; r <= ranks; ++r) {
    bounds.push_back(static_cast<int>(n * r / ranks));
  }
  return bounds;
}

std::vector<std::vector<ShardRange>> subtrees_by_rank(int shards, int ranks) {
  std::vector<std::vector<ShardRange>> all;
  for (int r = 0; r < ranks; ++r) {
    all.push_back(subtrees_in(shards, shards_of_rank(shards, r, ranks)));
  }
  return all;
}

}  // namespace

void MpiTreeSum::run(Buffer nodes, int shards, Buffer sum) {
  if (sum.count == 0) {
    return;
  }
  dispatch_floating(sum.dtype, "tree_sum", [&](auto zero) {
    using T = decltype(zero);
    const trace::Span span("tree sum", static_cast<std::size_t>(nodes.count) * sizeof(T));
    constexpr auto kPiece = static_cast<std::int64_t>(kPieceBytes / sizeof(T));
    for (std::int64_t begin = 0; begin < sum.count; begin += kPiece) {
      sum_piece(static_cast<const T*>(nodes.data) + begin, sum.count, shards, static_cast<T*>(sum.data) + begin,
                std::min(kPiece, sum.count - begin));
    }
  });
}

/// Sums `n` elements of every row, of which one follows the other after `row` elements.
template <class T>
void MpiTreeSum::sum_piece(const T* nodes, std::int64_t row, int shards, T* sum, std::int64_t n) {
  const int ranks = world_.size();
  const auto subtrees = subtrees_by_rank(shards, ranks);
  exchange(nodes, row, subtrees, n);

  const std::vector<int> bounds = slice_bounds(n, ranks);
  const auto me = static_cast<std::size_t>(world_.rank());
  const int own = bounds[me + 1] - bounds[me];
  std::vector<ShardRange> parts;
  std::vector<T*> slices;
  for (const std::vector<ShardRange>& of_rank : subtrees) {
    for (const ShardRange& tree : of_rank) {
      slices.push_back(reinterpret_cast<T*>(scratch_.data()) + static_cast<std::ptrdiff_t>(parts.size()) * own);
      parts.push_back(tree);
    }
  }
  const T* result = add_tree<T>(shards, parts, slices, own);

  std::vector<int> counts;
  for (std::size_t r = 0; r + 1 < bounds.size(); ++r) {
    counts.push_back(bounds[r + 1] - bounds[r]);
  }
  MPI_Request request = MPI_REQUEST_NULL;
  world_.check_mpi(MPI_Iallgatherv(result, own, type_of<T>(), sum, counts.data(), bounds.data(), type_of<T>(),
                                   world_.comm(), &request),
                   "MPI_Iallgatherv");
  world_.wait(request, "MPI_Iallgatherv");
}

/// Gets this rank's slice of all subtrees into the scratch, in their order. One call for the first subtree of every
/// rank, one for the second of those that have one, and so on: so nothing has to be packed.
template <class T>
void MpiTreeSum::exchange(const T* nodes, std::int64_t row, const std::vector<std::vector<ShardRange>>& subtrees,
                          std::int64_t n) {
  const auto ranks = subtrees.size();
  const auto me = static_cast<std::size_t>(world_.rank());
  const std::vector<int> bounds = slice_bounds(n, world_.size());
  const int own = bounds[me + 1] - bounds[me];
  std::vector<int> first;  // of a rank's subtrees among all
  int count = 0;
  std::size_t most = 0;
  for (const std::vector<ShardRange>& of_rank : subtrees) {
    first.push_back(count);
    count += static_cast<int>(of_rank.size());
    most = std::max(most, of_rank.size());
  }
  scratch_.resize(
      std::max(scratch_.size(), static_cast<std::size_t>(count) * static_cast<std::size_t>(own) * sizeof(T)));

  for (std::size_t k = 0; k < most; ++k) {
    std::vector<int> send(ranks, 0);
    std::vector<int> receive(ranks, 0);
    std::vector<int> place(ranks, 0);
    for (std::size_t r = 0; r < ranks; ++r) {
      send[r] = k < subtrees[me].size() ? bounds[r + 1] - bounds[r] : 0;
      receive[r] = k < subtrees[r].size() ? own : 0;
      place[r] = (first[r] + static_cast<int>(k)) * own;
    }
    const T* from = nodes + (k < subtrees[me].size() ? static_cast<std::int64_t>(k) * row : 0);
    MPI_Request request = MPI_REQUEST_NULL;
    world_.check_mpi(MPI_Ialltoallv(from, send.data(), bounds.data(), type_of<T>(), scratch_.data(), receive.data(),
                                    place.data(), type_of<T>(), world_.comm(), &request),
                     "MPI_Ialltoallv");
    world_.wait(request, "MPI_Ialltoallv");
  }
}

}  // namespace backflow::distributed
