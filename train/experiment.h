#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <backflow/distributed/data_parallel.h>
#include <backflow/io/config.h>
#include <backflow/io/dump.h>
#include <backflow/io/schema.h>
#include <backflow/runtime/tensor/dtype.h>
#include <backflow/train/data/data_options.h>
#include <backflow/train/loop/loop_options.h>
#include <backflow/train/loop/schedule_options.h>
#include <backflow/train/model/model_options.h>
#include <backflow/train/model/optimizer.h>
#include <backflow/train/run/log_options.h>
#include <backflow/train/run/mistakes.h>
#include <backflow/train/task/task_options.h>

namespace backflow::train {

/// [train]
struct TrainOptions {
  std::int64_t epochs = 1;
  std::int64_t max_steps = 0;     ///< ends the run early when above 0
  bool counts_steps = false;      ///< `epochs` follows from max_steps
  std::int64_t batch_size = 128;  ///< of all ranks together
  std::int64_t eval_batch_size = 1000;
  ScalarType dtype = kFloat32;
  bool drop_last = false;
  std::int64_t micro_batches = 1;  ///< parts of a rank's batch whose gradients are added up
  double clip_grad_norm = 0;       ///< the largest norm of all gradients together when above 0
  bool check_gradients = false;    ///< NaN and infinite gradients end the run
  bool winograd = false;           ///< see ops/winograd.h
  io::Section section;
};

/// How gradients and all else are summed over the ranks.
enum class GradientReduction {
  Fast,          ///< each rank's part of a batch as a whole
  Reproducible,  ///< shards, in a fixed tree over them
};

/// [distributed]: how ranks work together.
struct DistributedOptions {
  GradientReduction reduction = GradientReduction::Fast;
  std::int64_t shards = 8;  ///< parts that a batch is cut into for Reproducible
  double bucket_mb = 25;    ///< MiB of gradients that are sent at once
  distributed::Compression compression = distributed::Compression::None;
  std::int64_t powersgd_rank = 4;
  bool shard_optimizer = false;  ///< each rank keeps its share of the optimizer's state alone
  bool sync_batch_norm = false;  ///< statistics of batch norm in training are those of all ranks
  distributed::Hierarchy hierarchy = distributed::Hierarchy::Auto;
  double timeout_s = 300;          ///< how long a rank waits for another
  std::int64_t check_every = 100;  ///< steps after which the ranks compare their models; 0: never
  io::Section section;

  /// The sizes of buckets; the first is small.
  distributed::BucketLimits limits() const;
};

/// What a dump that cannot be written means.
enum class OnWriteError { Stop, Warn };

/// Who writes dumps: rank 0, or all ranks together.
enum class CheckpointMode { Rank0, Parallel };

/// [checkpoint]
struct CheckpointOptions {
  std::int64_t every_steps = 0;  ///< 0: only at the end
  double every_minutes = 0;      ///< likewise
  std::int64_t keep_last = 3;
  std::string best;  ///< the metric whose best value makes checkpoints/best.h5; empty: none
  CheckpointMode mode = CheckpointMode::Rank0;
  bool async = true;  ///< dumps are written while training goes on; never in parallel
  OnWriteError on_error = OnWriteError::Stop;
  io::DumpOptions dump;
  io::Section section;
};

/// One training run, as a configuration file describes it. Every key is read and checked here; docs/configuration.md
/// lists them.
struct Experiment {
  /// Throws io::ConfigError for anything that is wrong with the configuration, keys that nobody knows included.
  static Experiment read(const io::Config& config);
  /// The same, with the error noted: of a section that is not sound (io::Section::is_sound) some values are others.
  static Experiment read(const io::Config& config, Mistakes& mistakes);
  /// All keys that there are, as "train.epochs", those of every choice included; not those in arrays of tables.
  static std::vector<std::string> keys();
  /// All that there is to know of the keys, made from the readers when it is first asked for.
  static const io::Schema& schema();
  /// Throws io::ConfigError when an epoch of so many samples has no step: drop_last leaves out a smaller batch.
  void check_batch_size(const io::Config& config, std::int64_t samples) const;
  /// Throws io::ConfigError, of all settings that a GAN's step does not know.
  void check_gan() const;
  /// Numbers in memory for each parameter: itself, its gradient, the optimizer's state, an average.
  std::int64_t copies() const;
  /// Likewise those that rank 0 copies for a dump that is written while training goes on; 0 when none is.
  std::int64_t snapshot_copies() const;
  /// Throws io::ConfigError when so many ranks cannot share the shards out.
  void check_ranks(const io::Config& config, int ranks) const;

  std::string name;
  std::int64_t seed = 0;
  DataOptions data;
  ModelOptions model;
  OptimizerOptions optimizer;
  TrainOptions train;
  DistributedOptions distributed;
  CheckpointOptions checkpoint;
  TaskOptions task;
  ScheduleOptions schedule;
  EvaluationOptions evaluation;
  EarlyStoppingOptions early_stopping;
  EmaOptions ema;
  InitOptions init;
  LogOptions log;
};

}  // namespace backflow::train
