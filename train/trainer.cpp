#include <backflow/train/trainer.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <span>
#include <utility>

#include <unistd.h>

#include <backflow/distributed/buffer_combiner.h>
#include <backflow/distributed/data_parallel.h>
#include <backflow/distributed/sampler.h>
#include <backflow/distributed/training_step.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/reduction.h>
#include <backflow/runtime/generator.h>
#include <backflow/runtime/memory.h>
#include <backflow/runtime/philox.h>
#include <backflow/runtime/trace.h>
#include <backflow/runtime/warning.h>
#include <backflow/train/model_dump.h>
#include <backflow/train/resume.h>
#include <backflow/train/run_files.h>
#include <backflow/train/run_report.h>
#include <backflow/train/shared_failure.h>
#include <backflow/train/step_recorder.h>
#include <backflow/train/stop_signal.h>
#include <backflow/train/terminal.h>

namespace backflow::train {
namespace {

using Clock = std::chrono::steady_clock;

/// Keeps the random streams of steps apart from others of the same seed.
constexpr std::uint64_t kStepStream = std::uint64_t{0x57e9} << 48;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<std::string> parameter_names(const nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& parameter : module.named_parameters()) {
    names.push_back(parameter.key());
  }
  return names;
}

/// Sends the warnings of the process to `handler` until the end of the scope.
struct WarningsTo {
  explicit WarningsTo(WarningHandler handler) : previous(set_warning_handler(std::move(handler))) {}
  ~WarningsTo() { set_warning_handler(previous); }
  WarningsTo(const WarningsTo&) = delete;
  WarningsTo& operator=(const WarningsTo&) = delete;
  WarningHandler previous;
};

/// The mean loss over the samples of some steps.
struct MeanLoss {
  void add(double loss, std::int64_t samples) {
    total += loss * static_cast<double>(samples);
    n += samples;
  }
  double mean() const { return n > 0 ? total / static_cast<double>(n) : 0; }
  double total = 0;
  std::int64_t n = 0;
};

/// One training run. Its parts in the order of a step: sample, forward, backward with reduction and update in it,
/// metrics.
class Run {
 public:
  Run(const Experiment& experiment, const Model& model, const BatchMaker& train_data, const BatchMaker& test_data,
      const RunOptions& options, const Platform& platform, std::shared_ptr<distributed::Communicator> world)
      : experiment_(experiment),
        model_(model),
        train_data_(train_data),
        test_data_(test_data),
        options_(options),
        world_(std::move(world)),
        parallel_(model.module->parameters(), world_, {.limits = {}, .names = parameter_names(*model.module)}),
        optimizer_(experiment.optimizer.make(model.module->parameters())),
        training_step_(
            parallel_, *optimizer_,
            {.clip_grad_norm = experiment.train.clip_grad_norm, .check_gradients = experiment.train.check_gradients}),
        sampler_({.dataset_size = train_data.dataset().size(),
                  .batch_size = experiment.train.batch_size,
                  .seed = static_cast<std::uint64_t>(experiment.seed),
                  .shuffle = experiment.data.shuffle,
                  .drop_last = experiment.train.drop_last,
                  .rank = world_->rank(),
                  .size = world_->size()}),
        report_(world_->rank(), options.verbosity),
        prints_profile_(options.profile),
        recorder_(RecordedSteps(total_steps(), options.trace_steps),
                  world_->rank() == 0 ? StepRecorder::Gather::Profile : StepRecorder::Gather::Nothing, world_->rank()) {
    if (!options_.start.dump_path.empty()) {
      run_on_all_ranks(*world_, [this] { go_on_from(options_.start.dump); });
    }
    open_files(platform);
  }

  Outcome run() {
    try {
      return run_epochs();
    } catch (const std::exception& error) {
      log_failure(directory_, concat("error: rank ", world_->rank(), ": ", error.what()));
      throw;
    }
  }

 private:
  Outcome run_epochs() {
    Outcome outcome = Outcome::Done;
    report_.start_progress(step_);
    for (std::int64_t epoch = first_epoch_; outcome == Outcome::Done && is_left(epoch); ++epoch) {
      outcome = run_epoch(epoch);
    }
    if (recorder_.end_run()) {
      say("trace: " + recorder_.trace_path());
    }
    const std::string dump = save();
    if (outcome == Outcome::Stopped) {
      say(concat("stopped by a signal after step ", step_, "; dump: ", dump));
      report_.result(dump);
      return outcome;
    }
    finish(dump);
    return outcome;
  }

  void open_files(const Platform& platform) {
    // Rank 0 alone writes.
    run_on_rank_0(*world_, [&] {
      files_.emplace(options_.start, experiment_.name, options_.resolved_config, environment_json(*world_, platform));
      report_.set_files(*files_);
    });
    directory_ = world_->all_gather(files_ ? files_->directory() : "").front();
    if (options_.trace_steps > 0) {
      recorder_.set_directory(files_ ? directory_ : io::RunDirectory::at(directory_).path());
    }
    if (!options_.report.empty()) {
      say(options_.report);
    }
    for (const std::string& warning : platform.warnings) {
      if (files_) {
        files_->log("warning: " + warning);  // said before, on standard error
      }
    }
    if (files_) {
      for (const std::string& warning : files_->warnings()) {
        report_.warn(warning);
      }
    }
    if (!options_.start.dump_path.empty()) {
      say(concat("resumed after step ", step_, ": ", options_.start.dump_path));
    }
  }

  void go_on_from(const io::Dump& dump) {
    const std::int64_t steps = sampler_.steps_per_epoch();
    step_ = dump.step;
    first_epoch_ = steps > 0 ? step_ / steps : 0;
    if (first_epoch_ > 0 && step_ == first_epoch_ * steps && dump.epoch < first_epoch_) {
      --first_epoch_;  // made before that epoch's evaluation
    }
    // A run that ends within an epoch evaluates and counts it.
    check(step_ >= 0 && (dump.epoch == first_epoch_ || dump.epoch == first_epoch_ + 1), "train: a dump of step ", step_,
          " in epoch ", dump.epoch, ", an epoch has ", steps,
          " steps: need the data and the batch size that it was made with");
    epoch_ = at_limit() ? dump.epoch : first_epoch_;
    load_optimizer(dump, *optimizer_, *model_.module);
  }

  void say(const std::string& text) { report_.say(text); }

  bool at_limit() const { return experiment_.train.max_steps > 0 && step_ >= experiment_.train.max_steps; }

  /// Whether the run has steps in this epoch, or steps done but not evaluated: a dump may be made between the two.
  bool is_left(std::int64_t epoch) const {
    const bool unevaluated = epoch_ <= epoch && step_ > epoch * sampler_.steps_per_epoch();
    return epoch < experiment_.train.epochs && (!at_limit() || unevaluated);
  }

  std::int64_t total_steps() const {
    const std::int64_t all = experiment_.train.epochs * sampler_.steps_per_epoch();
    return experiment_.train.max_steps > 0 ? std::min(all, experiment_.train.max_steps) : all;
  }

  Outcome run_epoch(std::int64_t epoch) {
    const Clock::time_point start = Clock::now();
    const std::int64_t steps = sampler_.steps_per_epoch();
    epoch_loss_ = {};
    for (std::int64_t s = step_ - epoch * steps; s < steps && !at_limit(); ++s) {
      if (step(epoch, sampler_.batch(epoch, s)) == Outcome::Stopped) {
        return Outcome::Stopped;
      }
    }
    epoch_ = epoch + 1;
    {
      const trace::Span span("evaluation");
      test_ = evaluate(model_, test_data_, experiment_.train.eval_batch_size, *world_);
    }
    if (files_) {
      files_->metric("eval",
                     {{"step", step_}, {"epoch", epoch_}, {"loss", test_->loss}, {"accuracy", test_->accuracy}});
    }
    say_epoch(seconds_since(start));
    return Outcome::Done;
  }

  void say_epoch(double seconds) {
    char loss[64] = "";  // a run that goes on from the end of an epoch has none
    if (epoch_loss_.n > 0) {
      std::snprintf(loss, sizeof loss, "loss %.4f, ", epoch_loss_.mean());
    }
    char test[96];
    std::snprintf(test, sizeof test, "test loss %.4f, test accuracy %.4f, %.1f s", test_->loss, test_->accuracy,
                  seconds);
    say(concat("epoch ", epoch_, '/', experiment_.train.epochs, ": ", loss, test));
  }

  Outcome step(std::int64_t epoch, const distributed::LocalBatch& local) {
    recorder_.begin_step(step_);
    const Outcome outcome = train_step(epoch, local);
    if (recorder_.end_step(step_ - 1)) {
      say("trace: " + recorder_.trace_path());
    }
    if (experiment_.checkpoint.every_steps > 0 && step_ % experiment_.checkpoint.every_steps == 0) {
      save();
    }
    return outcome;
  }

  Outcome train_step(std::int64_t epoch, const distributed::LocalBatch& local) {
    const trace::Span span("step");
    const Clock::time_point start = Clock::now();
    seed_step();
    const double loss = update(local);
    ++step_;
    return report(epoch, local, loss, start);
  }

  /// Random numbers depend on seed, step and rank: a run that goes on from a dump draws what one without a break does.
  void seed_step() const {
    PhiloxStream random(static_cast<std::uint64_t>(experiment_.seed), kStepStream | static_cast<std::uint64_t>(step_));
    manual_seed(random.next64() + static_cast<std::uint64_t>(world_->rank()));
  }

  /// Updates the parameters with the gradient of the mean loss over the global batch; returns this rank's part of that
  /// loss.
  double update(const distributed::LocalBatch& local) {
    parallel_.zero_grad();
    if (local.indices.empty()) {
      training_step_.reduce_now();
      return 0;
    }
    const std::int64_t n = local.local_n();
    const std::int64_t parts = std::min(experiment_.train.micro_batches, n);
    double total = 0;
    for (std::int64_t part = 0; part < parts; ++part) {
      const auto begin = local.indices.begin() + part * n / parts;
      const auto end = local.indices.begin() + (part + 1) * n / parts;
      const Batch batch = make_batch({begin, end});
      const Tensor loss = forward(batch, local.global_n);
      total += loss.item<double>();
      const bool last = part + 1 == parts;
      const trace::Span span("backward");
      training_step_.backward(loss, last ? distributed::GradientSync::Now : distributed::GradientSync::Later);
    }
    return total;
  }

  Batch make_batch(const std::vector<std::int64_t>& indices) const {
    const trace::Span span("data");
    return train_data_.make(indices);
  }

  /// This rank's part of the mean loss over a global batch of `global_n` samples.
  Tensor forward(const Batch& batch, std::int64_t global_n) const {
    const trace::Span span("forward");
    return cross_entropy_loss(model_.forward(batch.x), batch.target, {}, Reduction::Sum) /
           static_cast<double>(global_n);
  }

  Outcome report(std::int64_t epoch, const distributed::LocalBatch& local, double local_loss, Clock::time_point start) {
    // One reduction carries all: the loss, whether a signal has reached any rank, and the statistics of batch norm, in
    // every step, so that their bits don't depend on when there was a dump.
    std::vector<double> shared = {local_loss, stop_requested() ? 1.0 : 0.0};
    constexpr std::size_t kOwn = 2;
    buffers_.append_to(shared, static_cast<double>(local.local_n()));
    world_->all_reduce_sum(std::span(shared));
    buffers_.take_from(std::span(shared).subspan(kOwn));
    check(std::isfinite(shared[0]), "train: the loss at step ", step_, " is ", shared[0],
          ": need finite numbers; a smaller learning rate may help");
    epoch_loss_.add(shared[0], local.global_n);
    const double rate = static_cast<double>(local.global_n) / std::max(seconds_since(start), 1e-9);
    if (files_) {
      io::MetricRecord record = {{"step", step_},
                                 {"epoch", epoch + 1},
                                 {"loss", shared[0]},
                                 {"lr", experiment_.optimizer.lr},
                                 {"samples_per_second", rate},
                                 {"peak_bytes", memory_stats().peak_bytes}};
      if (experiment_.train.clip_grad_norm > 0) {
        record.emplace_back("grad_norm", training_step_.grad_norm());
      }
      files_->metric("step", record);
    }
    report_.progress({.epoch = epoch + 1,
                      .epochs = experiment_.train.epochs,
                      .step = step_,
                      .steps = total_steps(),
                      .loss = shared[0],
                      .samples_per_second = rate});
    return shared[1] > 0 ? Outcome::Stopped : Outcome::Done;
  }

  /// Rank 0 dumps the model; returns the file's path there.
  std::string save() {
    if (!files_) {
      return "";
    }
    io::Dump dump = make_dump(*model_.module, *optimizer_);
    dump.step = step_;
    dump.epoch = epoch_;
    dump.config = options_.resolved_config;
    dump.train_data = options_.train_data;
    dump.test_data = options_.test_data;
    dump.versions = versions();
    check_finite(dump);
    return files_->checkpoint(dump, experiment_.checkpoint.keep_last);
  }

  void finish(const std::string& dump) {
    if (!test_) {
      test_ = evaluate(model_, test_data_, experiment_.train.eval_batch_size, *world_);
    }
    const double seconds = seconds_since(start_);
    if (!files_) {
      return;
    }
    if (recorder_.profile().steps() > 0) {
      files_->metric("profile", recorder_.profile().record());
      if (prints_profile_) {
        const std::size_t columns = terminal_columns(STDOUT_FILENO);
        report_.say(recorder_.profile().table(columns > 1 ? columns - 1 : Profile::kUsualColumns),
                    recorder_.profile().table());
      }
    }
    files_->metric("final", {{"test_accuracy", test_->accuracy},
                             {"test_loss", test_->loss},
                             {"seconds", seconds},
                             {"steps", step_},
                             {"dump", dump}});
    char text[96];
    std::snprintf(text, sizeof text, "test accuracy %.4f after %lld steps in %.1f s", test_->accuracy,
                  static_cast<long long>(step_), seconds);
    say(concat("run directory: ", files_->directory(), "\ndump: ", dump, '\n', text));
    report_.result(dump);
  }

  const Experiment& experiment_;
  const Model& model_;
  const BatchMaker& train_data_;
  const BatchMaker& test_data_;
  const RunOptions& options_;
  std::shared_ptr<distributed::Communicator> world_;
  distributed::DataParallel parallel_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  distributed::TrainingStep training_step_;
  distributed::BufferCombiner buffers_{model_.module->buffers(), world_};
  distributed::ShardedSampler sampler_;
  RunReport report_;
  const bool prints_profile_;
  StepRecorder recorder_;
  std::optional<RunFiles> files_;  ///< on rank 0
  std::string directory_;          ///< of the run, on every rank
  std::optional<Evaluation> test_;
  std::int64_t step_ = 0;
  MeanLoss epoch_loss_;           ///< of the steps that this run has done of the present epoch
  std::int64_t epoch_ = 0;        ///< epochs that have been evaluated
  std::int64_t first_epoch_ = 0;  ///< the one in which the run starts
  Clock::time_point start_ = Clock::now();
  const WarningsTo warnings_{[this](const std::string& text) { report_.warn(text); }};
};

}  // namespace

Outcome train(const Experiment& experiment, const Model& model, const BatchMaker& train_data,
              const BatchMaker& test_data, const RunOptions& options, const Platform& platform,
              const std::shared_ptr<distributed::Communicator>& world) {
  return Run(experiment, model, train_data, test_data, options, platform, world).run();
}

}  // namespace backflow::train
