#pragma once

#include <cstdint>
#include <vector>

#include <backflow/distributed/sampler.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/data/data_options.h>

namespace backflow::train {

/// What a sampler needs to know of training data: their number, the seed, and the order of an epoch. Batch size and
/// rank are the caller's. Orders depend on (seed, epoch) alone:
///
/// - data in memory: a permutation, as of ShardedSampler;
/// - data.sampling other than "uniform": as many samples as there are, drawn by their weights, with repetition;
/// - a file that is read as it is needed: blocks of the file in a random order, and samples in a random order within as
///   many blocks as half of the cache holds. So each block is read once in an epoch.
///
/// Throws io::ConfigError or Error for weights that do not fit the data.
distributed::SamplerOptions sampler_options(const BatchMaker& data, const DataOptions& options, std::uint64_t seed);

/// The numbers 0 to n-1: runs of `block` of them in a random order, and mixed within `blocks` such runs.
std::vector<std::int64_t> shuffled_in_blocks(std::int64_t n, std::int64_t block, std::int64_t blocks,
                                             std::uint64_t seed, std::int64_t epoch);

/// As many numbers as there are weights, each drawn with a probability in proportion to its weight.
std::vector<std::int64_t> drawn_by_weight(const std::vector<double>& weights, std::uint64_t seed, std::int64_t epoch);

}  // namespace backflow::train
