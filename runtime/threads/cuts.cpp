#include <backflow/runtime/threads/cuts.h>

#include <algorithm>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/deferred_work.h>
#include <backflow/runtime/threads/observed_work.h>

namespace backflow {
namespace {

constexpr std::int64_t kPiecesPerThread = 2;  // so that a thread that is held up does not hold up all others
constexpr double kLongPiece = 50'000;         // ns of a piece of a loop that is cut into more
constexpr std::int64_t kMostPiecesPerThread = 16;
constexpr double kThreadsOfSmallPieces = 48;  // from which on coarse_pieces() are no larger than others

using detail::forced_pieces;

}  // namespace

int target_threads() {
  const int asked = detail::observed_threads();
  return asked > 0 ? asked : get_num_threads();
}

std::int64_t free_pieces(std::int64_t count, double nanoseconds) {
  run_deferred_work();  // it may have to read what this loop will write
  if (const std::int64_t forced = forced_pieces.load(std::memory_order_relaxed); forced > 0) {
    return std::clamp<std::int64_t>(forced, 1, std::max<std::int64_t>(count, 1));
  }
  if (nanoseconds < 2 * kLeastPiece) {
    return 1;
  }
  const int threads = target_threads();
  if (threads == 1) {
    return 1;
  }
  const auto worth_it = static_cast<std::int64_t>(std::min(nanoseconds / kLeastPiece, 1e9));
  return std::clamp<std::int64_t>(std::min({count, worth_it, kPiecesPerThread * threads}), 1, 1 << 20);
}

std::int64_t range_pieces(std::int64_t count, double nanoseconds) {
  const std::int64_t pieces = free_pieces(count, nanoseconds);
  const std::int64_t threads = target_threads();
  if (threads == 1 || forced_pieces.load(std::memory_order_relaxed) > 0) {
    return pieces;
  }
  const auto rounds = static_cast<std::int64_t>(nanoseconds / kLongPiece / static_cast<double>(threads));
  return std::max(pieces, std::min(count, threads * std::min(rounds, kMostPiecesPerThread)));
}

std::int64_t coarse_pieces(std::int64_t count, double nanoseconds) {
  return free_pieces(count, nanoseconds * std::min(1.0, target_threads() / kThreadsOfSmallPieces));
}

ForcedPieces::ForcedPieces(std::int64_t pieces) {
  check(pieces >= 1, "ForcedPieces: ", pieces, " pieces: need at least 1");
  forced_pieces = pieces;
}

ForcedPieces::~ForcedPieces() { forced_pieces = 0; }

}  // namespace backflow
