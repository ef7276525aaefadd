#include <backflow/train/experiment.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <functional>
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
  train.batch_size =
      s.integer({"batch_size", "samples of a step, of all ranks together"}, {.at_least = 1, .at_most = kMaxSize}, 128);
  train.eval_batch_size =
      s.integer({"eval_batch_size", "samples that are evaluated at once"}, {.at_least = 1, .at_most = kMaxSize}, 1000);
  train.dtype =
      dtype_from_name(s.choice({"dtype", "of parameters and data"}, {"float32", "float64"}, "float32").c_str());
  train.drop_last = s.boolean({"drop_last", "leave out a last batch that is smaller than the others"}, false);
  train.micro_batches =
      s.integer({"micro_batches", "pieces that each rank cuts its part of a batch into, to save memory"},
                {.at_least = 1, .at_most = kMaxSize}, 1);
  train.clip_grad_norm = s.number(
      {"clip_grad_norm", "the largest norm of all gradients together, to which they are scaled down; 0: no such limit"},
      {.at_least = 0}, 0.0);
  train.check_gradients =
      s.boolean({"check_gradients",
                 "end the run at a NaN or infinite gradient, before anything is updated, and name the parameter"},
                false);
  train.winograd = s.boolean({"winograd",
                              "3x3 convolutions may use Winograd's algorithm where it is faster; rounding errors are "
                              "about ten times as large"},
                             false);
  return train;
}

DistributedOptions read_distributed(const io::Section& s) {
  constexpr std::int64_t kMostShards = 4096;
  DistributedOptions options{.section = s};
  const bool is_fast =
      s.choice(
          {"reduction",
           "`\"reproducible\"`: the same bits on any number of ranks, see [reproducibility.md](reproducibility.md)"},
          {"fast", "reproducible"}, "fast") == "fast";
  options.reduction = is_fast ? GradientReduction::Fast : GradientReduction::Reproducible;
  options.shards = s.integer(
      {"shards",
       "parts that each batch is cut into for `reduction = \"reproducible\"`; the number of ranks has to divide it"},
      {.at_least = 1, .at_most = kMostShards}, options.shards);
  options.bucket_mb =
      s.number({"bucket_mb", "gradients that are sent over the ranks at once, in MiB; the first part is 1 MiB at most"},
               {.at_least = 0.001, .at_most = 1024}, options.bucket_mb);
  const std::string hierarchy = s.choice({"hierarchy",
                                          "whether ranks of a node reduce through shared memory and one of them talks "
                                          "to other nodes; `\"auto\"`: on up to 64 nodes"},
                                         {"auto", "on", "off"}, "auto");
  options.hierarchy = hierarchy == "auto" ? distributed::Hierarchy::Auto
                      : hierarchy == "on" ? distributed::Hierarchy::On
                                          : distributed::Hierarchy::Off;
  options.timeout_s =
      s.number({"timeout_s", "seconds that a rank waits for another; then the run ends with an error that names it"},
               {.at_least = 0.1, .at_most = 1e6}, options.timeout_s);
  options.check_every =
      s.integer({"check_every", "steps after which the ranks compare digests of their models; 0: never"},
                {.at_least = 0}, options.check_every);
  const std::string compression =
      s.choice({"compression", "gradients are sent in fewer bytes"}, {"none", "bf16", "powersgd"}, "none");
  if (compression == "bf16") {
    options.compression = distributed::Compression::BFloat16;
  } else if (compression == "powersgd") {
    options.compression = distributed::Compression::PowerSgd;
  }
  options.powersgd_rank = s.integer({"powersgd_rank", "of the matrices that `\"powersgd\"` sends"},
                                    {.at_least = 1, .at_most = 1024}, options.powersgd_rank);
  options.shard_optimizer =
      s.boolean({"shard_optimizer", "each rank keeps and updates its share of the optimizer's state alone"},
                options.shard_optimizer);
  options.sync_batch_norm =
      s.choice({"batch_norm", "`\"sync\"`: in training, batch norm takes its statistics over the parts of all ranks"},
               {"local", "sync"}, "local") == "sync";
  return options;
}

CheckpointMode read_mode(const io::Section& s) {
  const std::string mode = s.choice({"mode",
                                     "who writes dumps: `\"rank0\"`, or in `\"parallel\"` all ranks one file, each its "
                                     "part, see [runs.md](runs.md#writing-from-all-ranks)"},
                                    {"rank0", "parallel"}, "rank0");
  return mode == "parallel" ? CheckpointMode::Parallel : CheckpointMode::Rank0;
}

CheckpointOptions read_checkpoint(const io::Section& s) {
  const CheckpointMode mode = read_mode(s);
  return {
      .every_steps = s.integer({"every_steps", "steps between two dumps; 0: one at the end"}, {.at_least = 0}, 0),
      .every_minutes = s.number({"every_minutes",
                                 "minutes after a dump until the next one, by the clock of rank 0; 0: no such limit; "
                                 "goes together with `every_steps`"},
                                {.at_least = 0}, 0.0),
      .keep_last = s.integer({"keep_last", "number of this run's dumps that are kept"}, {.at_least = 1}, 3),
      .best = s.string({"best",
                        "metric of the evaluations, as `accuracy` or `loss`: whenever it is better than ever before, "
                        "the model is written to checkpoints/best.h5; empty: never"},
                       ""),
      .mode = mode,
      .async = s.boolean({"async",
                          "dumps are copied, and written while training goes on; rank 0 needs memory for the copy, see "
                          "[runs.md](runs.md#writing-while-training-goes-on); false with `mode = \"parallel\"`"},
                         mode == CheckpointMode::Rank0),
      .on_error = s.choice({"on_error",
                            "what a dump that cannot be written means: `\"stop\"` ends the run with exit code 1, "
                            "`\"warn\"` goes on with a warning"},
                           {"stop", "warn"}, "stop") == "warn"
                      ? OnWriteError::Warn
                      : OnWriteError::Stop,
      .dump = {.compression =
                   s.choice({"compression",
                             "`\"gzip\"`: dumps are smaller, and take longer to write; trained weights hardly "
                             "shrink"},
                            {"none", "gzip"}, "none") == "gzip"
                       ? io::DumpCompression::Gzip
                       : io::DumpCompression::None},
      .section = s};
}

/// What a dump that all ranks write does not go together with.
void check_parallel_dumps(const CheckpointOptions& checkpoint) {
  if (checkpoint.mode != CheckpointMode::Parallel) {
    return;
  }
  if (checkpoint.async) {
    checkpoint.section.report("async",
                              "'async' in [checkpoint] is true, with mode = \"parallel\": need async = false, or mode "
                              "= \"rank0\"; all ranks write between two steps, on the thread that sends gradients");
  }
  if (checkpoint.dump.compression != io::DumpCompression::None) {
    checkpoint.section.report("compression",
                              "'compression' in [checkpoint] is \"gzip\", with mode = \"parallel\": need compression "
                              "= \"none\", or mode = \"rank0\"; places in the file must be known before it is written");
  }
}

void check_compression(const io::Section& root, const Experiment& e) {
  const distributed::Compression compression = e.distributed.compression;
  const io::Section s = root.section("distributed");
  if (compression == distributed::Compression::BFloat16 && e.train.dtype != kFloat32) {
    s.report("compression",
             "'compression' in [distributed] is \"bf16\": need train.dtype = \"float32\", or another one");
  }
  if (compression == distributed::Compression::PowerSgd && e.distributed.shard_optimizer) {
    s.report("compression",
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
    s.report(key, to_text("'", key, "' in [distributed]: need reduction = \"fast\", or ", plain, " here"));
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
    s.report("name",
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

namespace {

/// Reads all sections. Mistakes are recorded in the configuration.
Experiment read_sections(const io::Config& config) {
  const io::Section root = config.root();
  Experiment e;
  e.name = root.string({"name", "of the run directory `runs/<name>/<date-time>`"});
  e.seed = root.integer({"seed", "of parameters, of the order of samples, and of all else that is drawn"},
                        {.at_least = 0}, 0);
  const auto read = [&](const io::Key& key, const std::function<void(const io::Section&)>& section) {
    root.section(key).attempt(section);
  };
  read({"data", "where the samples come from"}, [&](const auto& s) { e.data = read_data_options(s); });
  read({"model", "what is trained"}, [&](const auto& s) { e.model = read_model(s); });
  read({"optimizer", "what turns gradients into updates; keys mean what they mean in PyTorch"},
       [&](const auto& s) { e.optimizer = read_optimizer(s); });
  read({"train", "the training loop"}, [&](const auto& s) { e.train = read_train(s); });
  read({"distributed", "how ranks work together"}, [&](const auto& s) { e.distributed = read_distributed(s); });
  read({"checkpoint", "dumps while training"}, [&](const auto& s) { e.checkpoint = read_checkpoint(s); });
  read({"task", "what the model learns"}, [&](const auto& s) { e.task = read_task(s); });
  read({"schedule", "the learning rate over the steps"}, [&](const auto& s) { e.schedule = read_schedule(s); });
  read({"evaluation", "when and how the model is evaluated"},
       [&](const auto& s) { e.evaluation = read_evaluation(s); });
  read({"early_stopping", "ends a run that gets no better"},
       [&](const auto& s) { e.early_stopping = read_early_stopping(s); });
  read({"ema", "an average of the weights over the steps, which is evaluated and dumped"},
       [&](const auto& s) { e.ema = read_ema(s); });
  read({"init", "parameters to start from"}, [&](const auto& s) { e.init = read_init(s); });
  read({"log", "what a run writes besides its own files"}, [&](const auto& s) { e.log = read_log(s); });
  if (root.has("sweep") || root.is_blank()) {  // of `backflow sweep`; checked here too
    read({"sweep", "what `backflow sweep` varies, and how it judges"}, [](const auto& s) { read_sweep(s); });
  }
  check_name(root, e.name);
  return e;
}

}  // namespace

Experiment Experiment::read(const io::Config& config) {
  Mistakes mistakes;
  Experiment e = read(config, mistakes);
  mistakes.check();
  return e;
}

Experiment Experiment::read(const io::Config& config, Mistakes& mistakes) {
  Experiment e = read_sections(config);
  // What several sections have to agree on.
  const io::Section root = config.root();
  check_compression(root, e);
  check_reproducible(root, e);
  check_parallel_dumps(e.checkpoint);
  mistakes.attempt([&] { config.check(schema); });
  return e;
}

const io::Schema& Experiment::schema() {
  static const io::Schema schema = io::Schema::of([](const io::Config& config) { read_sections(config); });
  return schema;
}

std::vector<std::string> Experiment::keys() {
  std::vector<std::string> paths;
  for (const io::SchemaKey& key : schema().keys()) {
    if (!key.is_table() && key.path.find('[') == std::string::npos) {
      paths.push_back(key.path);
    }
  }
  return paths;
}

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
  Mistakes mistakes;
  const auto refuse = [&](const io::Section& s, const char* key, const char* need) {
    mistakes.attempt(
        [&] { s.fail(key, to_text("'", key, "' in [", s.path(), "]: need ", need, " for the task \"gan\"")); });
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
  mistakes.check();
}

std::int64_t Experiment::copies() const {
  constexpr std::int64_t kParameterAndGradient = 2;
  return kParameterAndGradient + optimizer.state_tensors + (ema.decay > 0 ? 1 : 0);
}

std::int64_t Experiment::snapshot_copies() const {
  const bool writes = checkpoint.every_steps > 0 || checkpoint.every_minutes > 0 || !checkpoint.best.empty();
  return writes && checkpoint.async ? copies() - 1 : 0;  // a dump has no gradients
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
