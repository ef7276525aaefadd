#include <backflow/train/experiment.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <utility>

#include <backflow/train/sweep/sweep_options.h>

namespace backflow::train {
namespace {

constexpr std::int64_t kMaxSize = 1 << 24;
constexpr std::int64_t kMostEpochs = 1'000'000;

TrainOptions read_train(const io::Section& s) {
  TrainOptions train{.section = s};
  train.max_steps = s.integer({"max_steps", "steps after which the run ends, whatever `epochs` says; 0: no such limit"},
                              {.at_least = 0}, 0);
  // A run that counts steps has as many epochs as they take.
  train.epochs = s.integer({"epochs",
                            "passes over the training data; by default 1, or with `max_steps` as many as "
                            "these take"},
                           {.at_least = 0, .at_most = kMostEpochs}, train.max_steps > 0 ? kMostEpochs : 1);
  train.counts_steps = train.max_steps > 0 && train.epochs == kMostEpochs;
  train.batch_size = s.integer("batch_size", {.at_least = 1, .at_most = kMaxSize}, 128);
  train.eval_batch_size = s.integer("eval_batch_size", {.at_least = 1, .at_most = kMaxSize}, 1000);
  train.dtype = dtype_from_name(s.choice("dtype", {"float32", "float64"}, "float32").c_str());
  train.drop_last = s.boolean("drop_last", false);
  train.micro_batches = s.integer("micro_batches", {.at_least = 1, .at_most = kMaxSize}, 1);
  train.clip_grad_norm = s.number("clip_grad_norm", {.at_least = 0}, 0.0);
  train.check_gradients = s.boolean("check_gradients", false);
  train.winograd = s.boolean("winograd", false);
  return train;
}

DistributedOptions read_distributed(const io::Section& s) {
  constexpr std::int64_t kMostShards = 4096;
  DistributedOptions options{.section = s};
  const bool is_fast = s.choice("reduction", {"fast", "reproducible"}, "fast") == "fast";
  options.reduction = is_fast ? GradientReduction::Fast : GradientReduction::Reproducible;
  options.shards = s.integer("shards", {.at_least = 1, .at_most = kMostShards}, options.shards);
  options.bucket_mb = s.number("bucket_mb", {.at_least = 0.001, .at_most = 1024}, options.bucket_mb);
  const std::string hierarchy = s.choice("hierarchy", {"auto", "on", "off"}, "auto");
  options.hierarchy = hierarchy == "auto" ? distributed::Hierarchy::Auto
                      : hierarchy == "on" ? distributed::Hierarchy::On
                                          : distributed::Hierarchy::Off;
  options.timeout_s = s.number("timeout_s", {.at_least = 0.1, .at_most = 1e6}, options.timeout_s);
  options.check_every = s.integer("check_every", {.at_least = 0}, options.check_every);
  const std::string compression = s.choice("compression", {"none", "bf16", "powersgd"}, "none");
  if (compression == "bf16") {
    options.compression = distributed::Compression::BFloat16;
  } else if (compression == "powersgd") {
    options.compression = distributed::Compression::PowerSgd;
  }
  options.powersgd_rank = s.integer("powersgd_rank", {.at_least = 1, .at_most = 1024}, options.powersgd_rank);
  options.shard_optimizer = s.boolean("shard_optimizer", options.shard_optimizer);
  options.sync_batch_norm = s.choice("batch_norm", {"local", "sync"}, "local") == "sync";
  return options;
}

CheckpointOptions read_checkpoint(const io::Section& s) {
  return {
      .every_steps = s.integer("every_steps", {.at_least = 0}, 0),
      .keep_last = s.integer("keep_last", {.at_least = 1}, 3),
      .best = s.string({"best",
                        "metric of the evaluations, as `accuracy` or `loss`: whenever it is better than ever before, "
                        "the model is written to checkpoints/best.h5; empty: never"},
                       ""),
      .section = s};
}

void check_compression(const io::Section& root, const Experiment& e) {
  const distributed::Compression compression = e.distributed.compression;
  const io::Section s = root.section("distributed");
  if (compression == distributed::Compression::BFloat16 && e.train.dtype != kFloat32) {
    s.fail("compression", "'compression' in [distributed] is \"bf16\": need train.dtype = \"float32\", or another one");
  }
  if (compression == distributed::Compression::PowerSgd && e.distributed.shard_optimizer) {
    s.fail("compression",
           "'compression' in [distributed] is \"powersgd\", with shard_optimizer: need one of the two, since "
           "no rank has all of a sum");
  }
}

/// What a sum over shards does not go together with.
void check_reproducible(const io::Section& root, const Experiment& e) {
  if (e.distributed.reduction != GradientReduction::Reproducible) {
    return;
  }
  const io::Section s = root.section("distributed");
  const auto refuse = [&](const char* key, const char* plain) {
    s.fail(key, to_text("'", key, "' in [distributed]: need reduction = \"fast\", or ", plain, " here"));
  };
  if (e.distributed.compression != distributed::Compression::None) {
    refuse("compression", "\"none\"");
  }
  if (e.distributed.shard_optimizer) {
    refuse("shard_optimizer", "false");
  }
  if (e.distributed.sync_batch_norm) {
    refuse("batch_norm", "\"local\"");
  }
}

/// The name must be one that a directory can have.
void check_name(const io::Section& s, const std::string& name) {
  constexpr std::size_t kMostBytes = 199;
  const bool odd =
      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c == '/' || std::iscntrl(c) != 0; });
  if (odd || name.empty() || name == "." || name == ".." || name.size() > kMostBytes) {
    std::string shown = name.substr(0, kMostBytes);
    std::replace_if(
        shown.begin(), shown.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, '?');
    s.fail("name",
           to_text("'name' in the top level is \"", shown, "\": need a name that a directory can have, of at most ",
                   kMostBytes, " bytes, without '/' and control characters"));
  }
}

}  // namespace

distributed::BucketLimits DistributedOptions::limits() const {
  constexpr double kMiB = 1 << 20;
  const auto bytes = static_cast<std::size_t>(bucket_mb * kMiB);
  return {std::min(distributed::BucketLimits{}.first_bytes, bytes), bytes};
}

Experiment Experiment::read(const io::Config& config) {
  const io::Section root = config.root();
  Experiment e{.name = root.string("name"),
               .seed = root.integer("seed", {.at_least = 0}, 0),
               .data = read_data_options(root.section("data")),
               .model = read_model(root.section("model")),
               .optimizer = read_optimizer(root.section("optimizer")),
               .train = read_train(root.section("train")),
               .distributed = read_distributed(root.section("distributed")),
               .checkpoint = read_checkpoint(root.section("checkpoint")),
               .task = read_task(root.section("task")),
               .schedule = read_schedule(root.section("schedule")),
               .evaluation = read_evaluation(root.section("evaluation")),
               .early_stopping = read_early_stopping(root.section("early_stopping")),
               .ema = read_ema(root.section("ema")),
               .init = read_init(root.section("init")),
               .log = read_log(root.section("log"))};
  if (root.has("sweep")) {
    read_sweep(root.section("sweep"));  // of `backflow sweep`; checked here too
  }
  check_compression(root, e);
  check_reproducible(root, e);
  config.check_all_read();
  check_name(root, e.name);
  return e;
}

std::vector<std::string> Experiment::keys() {
  const io::Config blank = io::Config::blank();
  try {
    read(blank);
  } catch (const io::ConfigError&) {  // of the name, which is empty: the keys have been asked for
  }
  std::vector<std::string> all = blank.asked();
  for (const std::string& key : optimizer_keys()) {
    if (std::find(all.begin(), all.end(), "optimizer." + key) == all.end()) {
      all.push_back("optimizer." + key);
    }
  }
  return all;
}

void Experiment::check_files(const io::Config&) const { check_data_files(data); }

void Experiment::check_batch_size(const io::Config& config, std::int64_t samples) const {
  if (train.drop_last && samples < train.batch_size) {
    config.section("train").fail("batch_size",
                                 to_text("'batch_size' in [train] is ", train.batch_size, ", larger than the ", samples,
                                         " samples, and drop_last leaves out what is smaller: need "
                                         "at most ",
                                         samples));
  }
}

void Experiment::check_gan() const {
  const auto refuse = [](const io::Section& s, const char* key, const char* need) {
    s.fail(key, to_text("'", key, "' in [", s.path(), "]: need ", need, " for the task \"gan\""));
  };
  if (distributed.reduction == GradientReduction::Reproducible) {
    refuse(distributed.section, "reduction", "\"fast\"");
  }
  if (distributed.compression == distributed::Compression::PowerSgd) {
    refuse(distributed.section, "compression", "\"none\" or \"bf16\"");
  }
  if (distributed.sync_batch_norm) {
    refuse(distributed.section, "batch_norm", "\"local\"");
  }
  if (train.micro_batches > 1) {
    refuse(train.section, "micro_batches", "1");
  }
}

std::int64_t Experiment::copies() const {
  constexpr std::int64_t kParameterAndGradient = 2;
  return kParameterAndGradient + optimizer.state_tensors + (ema.decay > 0 ? 1 : 0);
}

void Experiment::check_ranks(const io::Config& config, int ranks) const {
  if (distributed.reduction == GradientReduction::Fast || distributed.shards % ranks == 0) {
    return;
  }
  std::string fitting;
  for (std::int64_t n = 1; n <= distributed.shards; ++n) {
    if (distributed.shards % n == 0) {
      fitting += to_text(fitting.empty() ? "" : n == distributed.shards ? " or " : ", ", n);
    }
  }
  config.section("distributed")
      .fail("shards", to_text("'shards' in [distributed] is ", distributed.shards, ", and there are ", ranks,
                              " ranks: need a number of ranks that divides the shards: ", fitting));
}

}  // namespace backflow::train
