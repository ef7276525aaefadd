#pragma once

// How the normalization of a tensor in channel blocks is cut into runs.

#include <algorithm>
#include <cstdint>

#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/normalization/normalize_loops.h>
#include <backflow/runtime/tensor/channel_blocks.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::kernels {

/// The runs of a tensor, in groups that are finished together: those of a block of channels, or, by sample, those of a
/// sample. Depends on shapes alone.
class NormPlan {
 public:
  NormPlan(const ChannelBlocks& blocks, bool by_sample, std::int64_t element_bytes)
      : blocks_(in_rows(blocks)), by_sample_(by_sample) {
    const std::int64_t rows = std::max(kRunElements / blocks_.block, kRunRows);
    positions_ = std::min(rows, blocks_.spatial);
    across_ = chunks_of(blocks_.spatial, positions_);
    samples_ = by_sample ? 1 : std::clamp<std::int64_t>(rows / blocks_.spatial, 1, blocks_.batch);
    const std::int64_t down = chunks_of(blocks_.batch, samples_) * across_;
    groups_ = by_sample ? blocks_.batch : blocks_.blocks();
    runs_of_group_ = by_sample ? blocks_.blocks() * across_ : down;
    group_elements_ = blocks_.elements() / groups_;
    stays_in_cache_ = groups_ >= kGroups && group_elements_ * element_bytes <= kCacheBytes;
  }

  const ChannelBlocks& blocks() const { return blocks_; }
  std::int64_t groups() const { return groups_; }
  std::int64_t runs_of_group() const { return runs_of_group_; }
  std::int64_t runs() const { return groups_ * runs_of_group_; }

  /// Run number i: where it starts, how many numbers of a channel it has, and the block of channels it is of.
  struct RunPlace {
    NormRun run;
    std::int64_t offset;
    std::int64_t sample;  ///< the first
    std::int64_t block;
  };
  RunPlace place(std::int64_t i) const {
    const std::int64_t group = i / runs_of_group_;
    const std::int64_t piece = i % runs_of_group_;
    const std::int64_t position = piece % across_ * positions_;
    const std::int64_t sample = by_sample_ ? group : piece / across_ * samples_;
    const std::int64_t block = by_sample_ ? piece / across_ : group;
    return {.run = {.samples = static_cast<std::size_t>(std::min(samples_, blocks_.batch - sample)),
                    .stride = static_cast<std::size_t>(blocks_.sample_elements()),
                    .positions = static_cast<std::size_t>(std::min(positions_, blocks_.spatial - position)),
                    .block = static_cast<std::size_t>(blocks_.block)},
            .offset = sample * blocks_.sample_elements() + (block * blocks_.spatial + position) * blocks_.block,
            .sample = sample,
            .block = block};
  }

  /// Calls of_run(i) for all runs, then of_group(g) for each group of which all are done.
  template <class OfRun, class OfGroup>
  void reduce(const OfRun& of_run, const OfGroup& of_group) const {
    for_all_runs(of_run);
    parallel_in_groups([&](std::int64_t g) { of_group(g); }, 1);
  }
  template <class OfRun>
  void for_all_runs(const OfRun& of_run) const {
    const std::int64_t count = std::max<std::int64_t>(1, kElementwiseChunk * runs() / blocks_.elements());
    parallel_for(chunks_of(runs(), count), [&](std::int64_t chunk) {
      for (std::int64_t i = chunk * count; i < std::min(runs(), (chunk + 1) * count); ++i) {
        of_run(i);
      }
    });
  }
  /// The same, and then second(i) for all runs again: at once, for groups that stay in the cache.
  template <class OfRun, class OfGroup, class Second>
  void reduce_and_apply(const OfRun& of_run, const OfGroup& of_group, const Second& second) const {
    if (!stays_in_cache_) {
      reduce(of_run, of_group);
      for_all_runs(second);
      return;
    }
    parallel_in_groups(
        [&](std::int64_t g) {
          for (std::int64_t i = g * runs_of_group_; i < (g + 1) * runs_of_group_; ++i) {
            of_run(i);
          }
          of_group(g);
          for (std::int64_t i = g * runs_of_group_; i < (g + 1) * runs_of_group_; ++i) {
            second(i);
          }
        },
        group_elements_);
  }

 private:
  static constexpr std::int64_t kRunElements = 8 * 1024;  // that stay in the L1 cache
  static constexpr std::int64_t kRunRows = 64;            // for blocks of many channels
  static constexpr std::int64_t kGroups = 4;              // that are enough for the threads
  static constexpr std::int64_t kCacheBytes = 1 << 20;

  /// A row-major matrix [batch, channels] is one block of all channels.
  static ChannelBlocks in_rows(ChannelBlocks blocks) {
    if (blocks.block == 1 && blocks.spatial == 1) {
      blocks.block = blocks.channels;
    }
    return blocks;
  }

  template <class F>
  void parallel_in_groups(const F& f, std::int64_t elements) const {
    const std::int64_t count = std::max<std::int64_t>(1, kElementwiseChunk / std::max(elements, kGroupWork));
    parallel_for(chunks_of(groups_, count), [&](std::int64_t chunk) {
      for (std::int64_t g = chunk * count; g < std::min(groups_, (chunk + 1) * count); ++g) {
        f(g);
      }
    });
  }
  static constexpr std::int64_t kGroupWork = 256;  // elements that the end of a group is worth

  ChannelBlocks blocks_;
  bool by_sample_;
  std::int64_t positions_;
  std::int64_t across_;  // runs along the positions
  std::int64_t samples_;
  std::int64_t groups_;
  std::int64_t runs_of_group_;
  std::int64_t group_elements_;
  bool stays_in_cache_;
};

}  // namespace backflow::kernels
