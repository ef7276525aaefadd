#pragma once

#include <cstdint>
#include <vector>

#include <backflow/distributed/sampler.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/data/data_options.h>

namespace backflow::train {

/// What a sampler needs to know of training data: their number, the batch size, the seed, and the order of an epoch.
/// The rank is the caller's. Orders depend on (seed, epoch) and the batch size alone:
///
/// - data in memory: a permutation, as of ShardedSampler;
/// - data.sampling other than "uniform": as many samples as there are, drawn by their weights, with repetition;
/// - a file that is read as it is needed: shuffled_in_blocks().
///
/// Throws io::ConfigError or Error for weights that do not fit the data.
distributed::SamplerOptions sampler_options(const BatchMaker& data, const DataOptions& options, std::int64_t batch_size,
                                            std::uint64_t seed);

/// Throws io::ConfigError where data.sampling or data.class_weights do not fit the targets of the training data.
void check_sampling(const BatchMaker& data, const DataOptions& options);

/// How a file is read in blocks of samples.
struct BlockOrder {
  std::int64_t block = 1;          ///< samples of a block
  std::int64_t window_blocks = 1;  ///< blocks that samples are mixed within
  std::int64_t batch_size = 1;

  /// Parts of a batch that come from blocks of their own: the largest power of 2 that divides the batch size and is at
  /// most 64 and window_blocks.
  std::int64_t lanes() const;
};

/// The numbers 0 to n-1. The blocks, in a random order, are dealt out to lanes, a contiguous part to each. A lane mixes
/// samples within its share of the window. A batch takes as many samples of each lane, one lane after the other. So a
/// block is read once in an epoch; and ranks whose number divides the lanes read blocks of their own.
std::vector<std::int64_t> shuffled_in_blocks(std::int64_t n, const BlockOrder& order, std::uint64_t seed,
                                             std::int64_t epoch);

/// As many numbers as there are weights, each drawn with a probability in proportion to its weight.
std::vector<std::int64_t> drawn_by_weight(const std::vector<double>& weights, std::uint64_t seed, std::int64_t epoch);

}  // namespace backflow::train
