#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/buckets/buckets.h>
#include <backflow/distributed/buckets/exchange.h>
#include <backflow/distributed/communicator.h>

namespace backflow::distributed {

/// What PowerSGD keeps of a matrix [rows, cols] between steps.
struct LowRank {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t rank = 0;
  Tensor error;  ///< [rows * cols], of the gradient's dtype: what this rank has not sent yet
  Tensor q;      ///< [rank, cols]: the last right factor, the same on all ranks
  Tensor start;  ///< what `q` started with
};

/// Compression of gradients to matrices of low rank, with error feedback and warm start (Vogels et al.: "PowerSGD:
/// Practical low-rank gradient compression for distributed optimization", NeurIPS 2019). For a gradient M of this rank,
/// [out, rest], with what it has not sent so far added to it:
///
///   P = orthogonal columns of the sum over the ranks of M Q     (modified Gram-Schmidt, in float64)
///   Q = the sum over the ranks of M^T P
///   the gradient of all ranks is P Q^T; this rank keeps M - P P^T M for the next step
///
/// Two all-reduces, of rank * (rows + cols) elements in all. Q starts with random numbers that follow from the seed.
/// Tensors of fewer than two dimensions, and those that would not shrink to a quarter, are sent as they are, with the
/// first all-reduce. All ranks compute P Q^T from the same numbers in the same order: they get the same bits. The
/// factors are computed on one thread, those of the second half on the communication thread.
class PowerSgd {
 public:
  /// `rank` is at least 1.
  PowerSgd(std::int64_t rank, std::uint64_t seed) : rank_(rank), seed_(seed) {}

  /// The state of a parameter, by its number in the model; null for one that is sent as it is.
  LowRank* find_or_add(std::size_t number, const Tensor& parameter);

  /// The state of the parameters that have any, for a checkpoint: "<name>.powersgd_error", the sum over the ranks of
  /// what they have not sent, and "<name>.powersgd_q". From here on the first rank has that sum and the others have
  /// sent all, as after load(). So a run that goes on has the same bits as one that is resumed here on as many ranks.
  /// Collective.
  std::vector<std::pair<std::string, Tensor>> save(std::span<const std::string> names, Communicator& communicator);
  /// Takes what save() returned, in a state of an optimizer; another number of ranks is fine. A parameter without an
  /// entry, or with one of another shape, starts anew.
  void load(std::span<const std::pair<std::string, Tensor>> state, std::span<const std::string> names,
            std::span<const Tensor> parameters, int own_rank);

  /// Whether a name in a checkpoint is that of a state of PowerSGD.
  static bool is_own(const std::string& name);

 private:
  std::int64_t rank_;
  std::uint64_t seed_;
  std::vector<std::unique_ptr<LowRank>> matrices_;  ///< by number; null unless it has been asked for and is compressed
};

/// `matrices`: the states of the bucket's parameters, by slot. For buckets of float32 and float64.
std::unique_ptr<Exchange> make_power_sgd_exchange(Bucket& bucket, std::vector<LowRank*> matrices,
                                                  Communicator& communicator);

}  // namespace backflow::distributed
