#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace backflow::distributed {

struct SamplerOptions {
  std::int64_t dataset_size = 0;
  std::int64_t batch_size = 1;  ///< of all ranks together
  std::uint64_t seed = 0;
  bool shuffle = true;
  bool drop_last = false;  ///< leave out a last batch that is smaller than the others
  int rank = 0;
  int size = 1;
  /// The numbers of the samples of an epoch, `dataset_size` of them, which may repeat; empty: a permutation, as
  /// `shuffle` says. Must depend on the epoch alone.
  std::function<std::vector<std::int64_t>(std::int64_t epoch)> order = {};
};

/// This rank's part of a global batch.
struct LocalBatch {
  std::vector<std::int64_t> indices;  ///< of samples in the data set; perhaps none
  std::int64_t global_n = 0;          ///< samples of all ranks: what a sum over samples has to be divided by
  std::int64_t epoch = 0;             ///< in which they are used

  std::int64_t local_n() const { return static_cast<std::int64_t>(indices.size()); }
};

/// The samples that a rank computes with. The order of an epoch is a permutation that depends on (seed, epoch) alone.
/// It is the same on every rank and platform, for any number of ranks. Batch `step` is the step-th slice of it. Each
/// rank has a contiguous part of the slice; parts differ by at most one sample. So an epoch has every sample once, and
/// the samples of a global batch do not depend on the number of ranks. Thread-safe.
class ShardedSampler {
 public:
  /// Throws Error for sizes below 1 (a data set of 0 is fine) and a rank outside [0, size).
  explicit ShardedSampler(const SamplerOptions& options);

  std::int64_t steps_per_epoch() const;
  /// Throws Error for a step outside [0, steps_per_epoch()) or a negative epoch.
  LocalBatch batch(std::int64_t epoch, std::int64_t step) const;

  const SamplerOptions& options() const { return options_; }

 private:
  using Order = std::shared_ptr<const std::vector<std::int64_t>>;

  Order order_of(std::int64_t epoch) const;

  SamplerOptions options_;
  mutable std::mutex mutex_;  ///< guards the order of the epoch asked for last
  mutable std::int64_t epoch_ = -1;
  mutable Order order_;
};

/// The numbers 0 to n-1 in an order that depends on n, seed and epoch alone: Fisher-Yates with Philox4x32-10.
std::vector<std::int64_t> shuffled(std::int64_t n, std::uint64_t seed, std::int64_t epoch);

}  // namespace backflow::distributed
