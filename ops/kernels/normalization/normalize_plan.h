#pragma once

// How the normalization of a tensor in channel blocks is cut into runs.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/normalization/normalize_loops.h>
#include <backflow/runtime/tensor/channel_blocks.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {

/// The runs of a tensor, in groups that are finished together: those of a block of channels, or, by sample, those of a
/// sample. Runs and groups follow from shapes alone: they cut sums. Which of them a thread takes is free: what a run
/// gives is kept, and added up in the order of the runs.
class NormPlan {
 public:
  NormPlan(const ChannelBlocks& blocks, bool by_sample, std::int64_t element_bytes)
      : blocks_(in_rows(blocks, by_sample)), by_sample_(by_sample) {
    const std::int64_t row = blocks_.spatial == 1 && blocks.block == 1 ? blocks_.channels : blocks_.block;
    const std::int64_t rows = std::max(kRunElements / row, kRunRows);
    positions_ = std::min(rows, blocks_.spatial);
    across_ = chunks_of(blocks_.spatial, positions_);
    samples_ = by_sample ? 1 : std::clamp<std::int64_t>(rows / blocks_.spatial, 1, blocks_.batch);
    const std::int64_t down = chunks_of(blocks_.batch, samples_) * across_;
    groups_ = by_sample ? blocks_.batch : blocks_.blocks();
    runs_of_group_ = by_sample ? blocks_.blocks() * across_ : down;
    const std::int64_t group_elements = blocks_.elements() / groups_;
    stays_in_cache_ = group_elements * element_bytes <= kCacheBytes;
    nanoseconds_ = kByte * static_cast<double>(blocks_.elements() * element_bytes);
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

  /// Calls of_run(i) for all runs, and of_group(g) when all of a group are done, in one loop.
  template <class OfRun, class OfGroup>
  void reduce(const OfRun& of_run, const OfGroup& of_group) const {
    std::vector<std::atomic<std::int64_t>> done(static_cast<std::size_t>(groups_));
    parallel_ranges(runs(), nanoseconds_, [&](std::int64_t begin, std::int64_t end) {
      while (begin < end) {
        const std::int64_t g = begin / runs_of_group_;
        const std::int64_t stop = std::min(end, (g + 1) * runs_of_group_);
        for_runs(begin, stop, of_run);
        // Whoever does the last run of a group sees all others' and finishes it: that saves a loop.
        const std::int64_t count = stop - begin;
        if (done[static_cast<std::size_t>(g)].fetch_add(count, std::memory_order_acq_rel) + count == runs_of_group_) {
          of_group(g);
        }
        begin = stop;
      }
    });
  }
  template <class OfRun>
  void for_all_runs(const OfRun& of_run) const {
    parallel_ranges(runs(), nanoseconds_, [&](std::int64_t begin, std::int64_t end) { for_runs(begin, end, of_run); });
  }
  /// Calls of_run(i) for all runs, of_group(g) for each group of which all are done, and then second(i) for all runs.
  template <class OfRun, class OfGroup, class Second>
  void reduce_and_apply(const OfRun& of_run, const OfGroup& of_group, const Second& second) const {
    if (!takes_groups()) {
      reduce(of_run, of_group);
      for_all_runs(second);
      return;
    }
    parallel_ranges(groups_, 2 * nanoseconds_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t g = begin; g < end; ++g) {
        for_runs(g * runs_of_group_, (g + 1) * runs_of_group_, of_run);
        of_group(g);
        for_runs(g * runs_of_group_, (g + 1) * runs_of_group_, second);
      }
    });
  }

 private:
  static constexpr std::int64_t kRunElements = 8 * 1024;  // that stay in the L1 cache
  static constexpr std::int64_t kRunRows = 64;            // for blocks of many channels
  static constexpr std::int64_t kCacheBytes = 1 << 20;
  static constexpr double kByte = 0.08;    // ns of a walk for each byte of x
  static constexpr double kLoop = 5'000;   // ns of one more loop on many threads
  static constexpr double kReread = 1.15;  // the time of two walks of which the second finds x in no near cache

  /// A row-major matrix [batch, channels] is one block of all channels, or several that divide them: their runs have
  /// the rows that those of all channels would have, and a channel's bits do not depend on its block.
  static ChannelBlocks in_rows(ChannelBlocks blocks, bool by_sample) {
    if (blocks.block == 1 && blocks.spatial == 1) {
      constexpr std::int64_t kMost = 64;
      constexpr std::int64_t kLeast = 16;
      blocks.block = blocks.channels;
      for (std::int64_t block = kMost; block >= kLeast && !by_sample && blocks.block > kMost; --block) {
        blocks.block = blocks.channels % block == 0 ? block : blocks.block;
      }
    }
    return blocks;
  }

  template <class OfRun>
  static void for_runs(std::int64_t begin, std::int64_t end, const OfRun& of_run) {
    for (std::int64_t i = begin; i < end; ++i) {
      of_run(i);
    }
  }

  /// Whether a thread takes whole groups, both walks in one loop while they are in its cache. Else, as where groups are
  /// fewer than threads, runs are shared out in two loops.
  bool takes_groups() const {
    const std::int64_t threads = target_threads();
    const auto rounds = static_cast<double>(chunks_of(groups_, threads));
    const double by_groups = 2 * nanoseconds_ * rounds / static_cast<double>(groups_);
    return stays_in_cache_ && by_groups <= 2 * nanoseconds_ * kReread / static_cast<double>(threads) + kLoop;
  }

  ChannelBlocks blocks_;
  bool by_sample_;
  std::int64_t positions_;
  std::int64_t across_;  // runs along the positions
  std::int64_t samples_;
  std::int64_t groups_;
  std::int64_t runs_of_group_;
  bool stays_in_cache_;
  double nanoseconds_;  // of one walk on one thread
};

}  // namespace backflow::kernels
