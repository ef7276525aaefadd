#include <algorithm>
#include <cstdint>
#include <cstring>

#include <backflow/distributed/node/bfloat16_sum_internal.h>
#include <backflow/runtime/tensor/bfloat16.h>

namespace backflow::distributed {
namespace {

/// Elements that travel at a time: 4 MiB, so that scratch memory, twice that, stays small.
constexpr std::int64_t kMostElements = std::int64_t{2} << 20;

/// How elements are cut into one part for each rank, as MPI takes it.
struct Parts {
  Parts(std::int64_t elements, int ranks) : counts(static_cast<std::size_t>(ranks)), offsets(counts.size()) {
    for (std::int64_t r = 0; r < ranks; ++r) {
      const std::int64_t begin = elements * r / ranks;
      offsets[static_cast<std::size_t>(r)] = static_cast<int>(begin);
      counts[static_cast<std::size_t>(r)] = static_cast<int>(elements * (r + 1) / ranks - begin);
    }
  }
  std::vector<int> counts;
  std::vector<int> offsets;
};

/// Adds up `rows` rows of n numbers, in their order, piece by piece in float32.
void add_rows(const BFloat16* x, std::size_t rows, std::size_t n, BFloat16* sum) {
  constexpr std::size_t kPiece = 1024;  // 4 KiB of sums, which stay in the first cache
  float sums[kPiece];
  for (std::size_t begin = 0; begin < n; begin += kPiece) {
    const std::size_t piece = std::min(kPiece, n - begin);
    std::copy_n(x + begin, piece, sums);
    for (std::size_t row = 1; row < rows; ++row) {
      const BFloat16* from = x + row * n + begin;
      for (std::size_t i = 0; i < piece; ++i) {
        sums[i] += static_cast<float>(from[i]);
      }
    }
    std::copy_n(sums, piece, sum + begin);
  }
}

struct Exchanged {
  BFloat16* rows;  ///< what each rank has sent, then the sum of it
  BFloat16* sum;
  std::size_t n;
};

/// Sums this rank's part of `elements` numbers at `x`.
Exchanged sum_own_part(MpiWorld& world, const BFloat16* x, const Parts& parts, std::vector<std::byte>& scratch) {
  const auto ranks = static_cast<std::size_t>(world.size());
  const auto own = static_cast<std::size_t>(world.rank());
  const auto n = static_cast<std::size_t>(parts.counts[own]);
  scratch.resize(std::max(scratch.size(), (ranks + 1) * n * sizeof(BFloat16)));
  auto* rows = reinterpret_cast<BFloat16*>(scratch.data());
  std::vector<int> counts(ranks, parts.counts[own]);
  std::vector<int> offsets(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    offsets[r] = static_cast<int>(r * n);
  }
  MPI_Request request = MPI_REQUEST_NULL;
  world.check_mpi(MPI_Ialltoallv(x, parts.counts.data(), parts.offsets.data(), MPI_UINT16_T, rows, counts.data(),
                                 offsets.data(), MPI_UINT16_T, world.comm(), &request),
                  "MPI_Ialltoallv");
  world.wait(request, "MPI_Ialltoallv");
  BFloat16* const sum = rows + ranks * n;
  add_rows(rows, ranks, n, sum);
  return {rows, sum, n};
}

}  // namespace

void all_reduce_bfloat16(MpiWorld& world, Buffer x, std::vector<std::byte>& scratch) {
  if (world.size() == 1) {
    return;
  }
  auto* data = static_cast<BFloat16*>(x.data);
  for (std::int64_t begin = 0; begin < x.count; begin += kMostElements) {
    const Parts parts(std::min(kMostElements, x.count - begin), world.size());
    const Exchanged own = sum_own_part(world, data + begin, parts, scratch);
    MPI_Request request = MPI_REQUEST_NULL;
    world.check_mpi(MPI_Iallgatherv(own.sum, static_cast<int>(own.n), MPI_UINT16_T, data + begin, parts.counts.data(),
                                    parts.offsets.data(), MPI_UINT16_T, world.comm(), &request),
                    "MPI_Iallgatherv");
    world.wait(request, "MPI_Iallgatherv");
  }
}

void reduce_scatter_bfloat16(MpiWorld& world, Buffer x, std::vector<std::byte>& scratch) {
  if (world.size() == 1) {
    return;
  }
  const std::int64_t part = x.count / world.size();
  auto* data = static_cast<BFloat16*>(x.data);
  // Pieces of all parts at a time, so that each piece has the same place in every part.
  const std::int64_t piece = std::max<std::int64_t>(1, kMostElements / world.size());
  for (std::int64_t begin = 0; begin < part; begin += piece) {
    Parts parts(0, world.size());
    for (std::size_t r = 0; r < parts.counts.size(); ++r) {
      parts.counts[r] = static_cast<int>(std::min(piece, part - begin));
      parts.offsets[r] = static_cast<int>(static_cast<std::int64_t>(r) * part + begin);
    }
    const Exchanged own = sum_own_part(world, data, parts, scratch);
    std::memcpy(data + world.rank() * part + begin, own.sum, own.n * sizeof(BFloat16));
  }
}

}  // namespace backflow::distributed
