#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <iterator>
#include <numeric>

#include <backflow/distributed/calls/call_times_internal.h>
#include <backflow/distributed/mpi/mpi_collectives_internal.h>
#include <backflow/distributed/node/bfloat16_sum_internal.h>
#include <backflow/ops/kernels/reductions/sum_buffers.h>

namespace backflow::distributed {
namespace {

/// A reduction travels in pieces of this size: it needs a second buffer (an in-place MPI_Iallreduce is defective in
/// some algorithms of Open MPI), which so stays small. Of pieces of 0.25 to 32 MiB, 2 and 4 MiB were the fastest.
constexpr std::int64_t kPieceBytes = std::int64_t{4} << 20;

void check_summable(ScalarType dtype) {
  check(kernels::can_sum(dtype), "all_reduce_sum: dtype ", short_name(dtype),
        ": need uint8, int32, int64, bfloat16, float32 or float64");
}

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
      return MPI_DATATYPE_NULL;
  }
}

}  // namespace

void MpiCollectives::agree(const MpiCall& call) {
  if (world_.size() == 1) {
    return;
  }
  if (node_ != nullptr) {
    if (!node_->sums().agree(call)) {
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
  const ArrivalTime arrival;
  MPI_Request request = MPI_REQUEST_NULL;
  world_.check_mpi(MPI_Iallreduce(mine.data(), least.data(), 8, MPI_INT64_T, MPI_MIN, world_.comm(), &request),
                   "MPI_Iallreduce");
  world_.wait(request, "MPI_Iallreduce");
  arrival.end();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (least[i] != -least[i + 4]) {
      fail_disagreement(call);
    }
  }
}

std::vector<MpiCall> MpiCollectives::calls_of_all(const MpiCall& call) {
  std::vector<MpiCall> calls;
  if (node_ != nullptr && node_->rendezvous().size() == world_.size()) {
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

void MpiCollectives::fail_disagreement(const MpiCall& call) {
  const std::vector<MpiCall> calls = calls_of_all(call);
  const auto other =
      std::find_if(calls.begin(), calls.end(), [&](const MpiCall& c) { return c.words() != calls[0].words(); });
  throw RanksDisagree(to_text("communicator: ranks disagree: rank 0 is at ", calls[0].text(), ", rank ",
                              other - calls.begin(), " at ", other->text(), ": need the same call on every rank"));
}

/// A sum of bfloat16 is rounded once, which sums of nodes that are added up would not be.
bool MpiCollectives::is_summed_by_node(ScalarType dtype) const {
  return node_ != nullptr && (dtype != kBFloat16 || node_->rendezvous().size() == world_.size());
}

void MpiCollectives::all_reduce(const MpiCall& call, Buffer x) {
  check_summable(x.dtype);
  const auto bytes_each = static_cast<std::int64_t>(element_size(x.dtype));
  if (is_summed_by_node(x.dtype)) {
    if (!node_->sums().all_reduce(call, x)) {
      fail_disagreement(call);
    }
    return;
  }
  agree(call);
  if (world_.size() == 1 || x.count == 0) {
    return;
  }
  if (x.dtype == kBFloat16) {
    all_reduce_bfloat16(world_, x, scratch_);
    return;
  }
  const std::int64_t piece = std::min(x.count, kPieceBytes / bytes_each);
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(piece * bytes_each)));
  for (std::int64_t begin = 0; begin < x.count; begin += piece) {
    const std::int64_t n = std::min(piece, x.count - begin);
    std::byte* data = static_cast<std::byte*>(x.data) + begin * bytes_each;
    MPI_Request request = MPI_REQUEST_NULL;
    world_.check_mpi(
        MPI_Iallreduce(data, scratch_.data(), static_cast<int>(n), mpi_type(x.dtype), MPI_SUM, world_.comm(), &request),
        "MPI_Iallreduce");
    world_.wait(request, "MPI_Iallreduce");
    std::memcpy(data, scratch_.data(), static_cast<std::size_t>(n * bytes_each));
  }
}

void MpiCollectives::reduce_scatter(const MpiCall& call, Buffer x) {
  check_summable(x.dtype);
  const std::int64_t part = x.count / world_.size();
  const auto bytes = part * static_cast<std::int64_t>(element_size(x.dtype));
  if (is_summed_by_node(x.dtype)) {
    if (!node_->sums().reduce_scatter(call, x)) {
      fail_disagreement(call);
    }
    return;
  }
  agree(call);
  if (world_.size() == 1 || part == 0) {
    return;
  }
  if (x.dtype == kBFloat16) {
    reduce_scatter_bfloat16(world_, x, scratch_);
    return;
  }
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(bytes)));
  MPI_Request request = MPI_REQUEST_NULL;
  world_.check_mpi(MPI_Ireduce_scatter_block(x.data, scratch_.data(), static_cast<int>(part), mpi_type(x.dtype),
                                             MPI_SUM, world_.comm(), &request),
                   "MPI_Ireduce_scatter_block");
  world_.wait(request, "MPI_Ireduce_scatter_block");
  std::memcpy(static_cast<std::byte*>(x.data) + world_.rank() * bytes, scratch_.data(),
              static_cast<std::size_t>(bytes));
}

void MpiCollectives::all_gather(const MpiCall& call, Buffer x) {
  const auto bytes = x.count / world_.size() * static_cast<std::int64_t>(element_size(x.dtype));
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

void MpiCollectives::broadcast(Buffer x, int root) {
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

std::vector<std::string> MpiCollectives::all_gather(const MpiCall& call, const std::string& text) {
  const auto ranks = static_cast<std::size_t>(world_.size());
  const auto own = static_cast<std::size_t>(world_.rank());
  std::vector<std::int64_t> lengths(ranks);
  lengths[own] = static_cast<std::int64_t>(text.size());
  all_gather(call, {lengths.data(), std::ssize(lengths), kInt64});

  const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const auto part = static_cast<std::size_t>(longest);
  std::vector<char> all(ranks * part);
  std::copy(text.begin(), text.end(), all.begin() + static_cast<std::ptrdiff_t>(own * part));
  all_gather(call, {all.data(), std::ssize(all), kUInt8});

  std::vector<std::string> texts;
  for (std::size_t i = 0; i < ranks; ++i) {
    texts.emplace_back(all.data() + i * part, static_cast<std::size_t>(lengths[i]));
  }
  return texts;
}

}  // namespace backflow::distributed
