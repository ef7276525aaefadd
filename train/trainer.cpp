#include <backflow/train/trainer.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include <unistd.h>

#include <backflow/distributed/sampler.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/batch_step.h>
#include <backflow/train/data/sample_order.h>
#include <backflow/train/model/model_dump.h>
#include <backflow/train/run/planted_fault.h>
#include <backflow/train/run/replicas.h>
#include <backflow/train/run/run_files.h>
#include <backflow/train/run/run_position.h>
#include <backflow/train/run/run_report.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/views/communication_view.h>
#include <backflow/train/views/step_recorder.h>
#include <backflow/train/views/terminal.h>

namespace backflow::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

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

distributed::SamplerOptions sampler_options_of(const Experiment& experiment, const BatchMaker& data,
                                               std::pair<int, int> place) {
  auto options = sampler_options(data, experiment.data, static_cast<std::uint64_t>(experiment.seed));
  options.batch_size = experiment.train.batch_size;
  options.drop_last = experiment.train.drop_last;
  options.rank = place.first;
  options.size = place.second;
  return options;
}

/// One training run: epochs of steps (see BatchStep), each with its metrics, evaluations and dumps.
class TrainingRun {
 public:
  TrainingRun(const Experiment& experiment, const Model& model, const BatchMaker& train_data,
              const BatchMaker& test_data, const RunOptions& options, const Platform& platform,
              std::shared_ptr<distributed::Communicator> world)
      : experiment_(experiment),
        model_(model),
        test_data_(test_data),
        options_(options),
        world_(std::move(world)),
        batch_step_(BatchStep::make(experiment, model, train_data, world_)),
        sampler_(sampler_options_of(experiment, train_data, batch_step_->place())),
        step_(options.start.dump.step),
        position_(start_position()),
        first_step_(step_),
        epoch_(at_limit() ? options.start.dump.epoch : position_.epoch),
        report_(world_->rank(), options.verbosity),
        prints_profile_(options.profile),
        recorder_(RecordedSteps(total_steps() - step_, options.trace_steps),
                  world_->rank() == 0 ? StepRecorder::Gather::Profile : StepRecorder::Gather::Communication,
                  world_->rank()) {
    if (is_resumed()) {
      run_on_all_ranks(*world_, [this] { batch_step_->load_state(options_.start.dump); });
    }
    open_files(platform);
  }

  Outcome run() {
    try {
      return run_epochs();
    } catch (const std::exception& error) {
      log_failure(directory_, to_text("error: rank ", world_->rank(), ": ", error.what()));
      throw;
    }
  }

 private:
  Outcome run_epochs() {
    Outcome outcome = Outcome::Done;
    report_.start_progress(step_);
    while (outcome == Outcome::Done && is_epoch_left()) {
      outcome = run_epoch();
    }
    if (recorder_.end_run()) {
      say("trace: " + recorder_.trace_path());
    }
    const std::string dump = save();
    if (outcome == Outcome::Stopped) {
      say(to_text("stopped by a signal after step ", step_, "; dump: ", dump));
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
    if (is_resumed()) {
      say(to_text("resumed after step ", step_, ": ", options_.start.dump_path));
    }
  }

  bool is_resumed() const { return !options_.start.dump_path.empty(); }

  RunPosition start_position() const {
    RunPosition position;
    if (is_resumed()) {
      run_on_all_ranks(*world_, [&] { position = position_in(options_.start.dump, sampler_); });
    }
    return position;
  }

  void say(const std::string& text) { report_.say(text); }

  bool at_limit() const { return experiment_.train.max_steps > 0 && step_ >= experiment_.train.max_steps; }

  /// Whether the run has steps left, or steps done but not evaluated: a dump may be made between the two.
  bool is_epoch_left() const {
    const bool unevaluated = position_.steps > 0 && epoch_ <= position_.epoch;
    return position_.epoch < experiment_.train.epochs && (!at_limit() || unevaluated);
  }

  /// Those done and those to come.
  std::int64_t total_steps() const {
    const std::int64_t epochs = experiment_.train.epochs - position_.epoch;
    const std::int64_t all = step_ + std::max<std::int64_t>(0, epochs * sampler_.steps_per_epoch() - position_.steps);
    return experiment_.train.max_steps > 0 ? std::min(all, experiment_.train.max_steps) : all;
  }

  /// The rest of the epoch in which the run is.
  Outcome run_epoch() {
    const Clock::time_point start = Clock::now();
    epoch_loss_ = {};
    while (position_.steps < sampler_.steps_per_epoch() && !at_limit()) {
      if (step() == Outcome::Stopped) {
        return Outcome::Stopped;
      }
    }
    epoch_ = position_.epoch + 1;
    evaluate_now();
    if (files_) {
      files_->metric("eval",
                     {{"step", step_}, {"epoch", epoch_}, {"loss", test_->loss}, {"accuracy", test_->accuracy}});
    }
    say_epoch(seconds_since(start));
    if (position_.steps == sampler_.steps_per_epoch()) {
      position_ = {.epoch = epoch_};
    }
    return Outcome::Done;
  }

  void evaluate_now() {
    const trace::Span span("evaluation");
    test_ = evaluate(model_, test_data_, experiment_.train.eval_batch_size, *world_);
    if (!std::isfinite(test_->loss)) {
      run_on_all_ranks(*world_, [this] {
        check_finite(state());  // says more
        fail("train: the test loss after step ", step_, " is ", test_->loss,
             ": need finite numbers; a smaller learning rate may help");
      });
    }
  }

  void say_epoch(double seconds) {
    char loss[64] = "";  // a run that goes on from the end of an epoch has none
    if (epoch_loss_.n > 0) {
      std::snprintf(loss, sizeof loss, "loss %.4f, ", epoch_loss_.mean());
    }
    char test[96];
    std::snprintf(test, sizeof test, "test loss %.4f, test accuracy %.4f, %.1f s", test_->loss, test_->accuracy,
                  seconds);
    say(to_text("epoch ", epoch_, '/', experiment_.train.epochs, ": ", loss, test));
  }

  Outcome step() {
    recorder_.begin_step(step_ - first_step_);
    const Outcome outcome = train_step(sampler_.batch(position_.epoch, position_.steps));
    if (recorder_.end_step(step_ - 1 - first_step_)) {
      say("trace: " + recorder_.trace_path());
    }
    if (experiment_.distributed.check_every > 0 && step_ % experiment_.distributed.check_every == 0) {
      check_replicas();
    }
    if (experiment_.checkpoint.every_steps > 0 && step_ % experiment_.checkpoint.every_steps == 0) {
      save();
    }
    return outcome;
  }

  Outcome train_step(const distributed::LocalBatch& batch) {
    const trace::Span span("step");
    const Clock::time_point start = Clock::now();
    world_->note_step(step_ + 1);
    const StepResult result = run_step(batch);
    ++step_;
    ++position_.steps;
    report(batch, result.loss, start);
    return result.stop ? Outcome::Stopped : Outcome::Done;
  }

  StepResult run_step(const distributed::LocalBatch& batch) {
    return in_step(step_ + 1, [&] {
      fault_.before_step(step_ + 1);
      const StepResult result = batch_step_->run(step_, batch);
      fault_.after_step(step_ + 1, *model_.module);
      return result;
    });
  }

  /// Whether all ranks still have the same. Collective.
  void check_replicas() {
    if (experiment_.distributed.check_every > 0 && checked_ != step_ && world_->size() > 1) {
      const trace::Span span("check replicas");
      train::check_replicas(*world_, step_, batch_step_->replica());
      checked_ = step_;
    }
  }

  void report(const distributed::LocalBatch& batch, double loss, Clock::time_point start) {
    check(std::isfinite(loss), "train: the loss at step ", step_, " is ", loss,
          ": need finite numbers; a smaller learning rate may help");
    epoch_loss_.add(loss, batch.global_n);
    const double rate = static_cast<double>(batch.global_n) / std::max(seconds_since(start), 1e-9);
    if (files_) {
      io::MetricRecord record = {{"step", step_},
                                 {"epoch", position_.epoch + 1},
                                 {"loss", loss},
                                 {"lr", experiment_.optimizer.lr},
                                 {"samples_per_second", rate},
                                 {"peak_bytes", memory_stats().peak_bytes}};
      if (experiment_.train.clip_grad_norm > 0) {
        record.emplace_back("grad_norm", batch_step_->grad_norm());
      }
      files_->metric("step", record);
    }
    report_.progress({.epoch = position_.epoch + 1,
                      .epochs = experiment_.train.epochs,
                      .step = step_,
                      .steps = total_steps(),
                      .loss = loss,
                      .samples_per_second = rate});
  }

  io::Dump state() {
    io::Dump dump = make_dump(*model_.module, batch_step_->optimizer());
    dump.step = step_;
    return dump;
  }

  /// Rank 0 dumps the model; returns the file's path there. Collective.
  std::string save() {
    check_replicas();
    io::NamedTensors optimizer = batch_step_->optimizer_state();
    if (!files_) {
      return "";
    }
    io::Dump dump = state();
    dump.optimizer = std::move(optimizer);
    dump.epoch = epoch_;
    set_position(dump, position_, sampler_);
    dump.config = options_.resolved_config;
    dump.train_data = options_.train_data;
    dump.test_data = options_.test_data;
    dump.versions = versions();
    check_finite(dump);
    return files_->checkpoint(dump, experiment_.checkpoint.keep_last);
  }

  /// Nothing where there is nobody to communicate with.
  std::optional<CommunicationView> communication_view() {
    if (world_->size() == 1 || recorder_.communication().steps() == 0) {
      return std::nullopt;
    }
    return CommunicationView(recorder_.communication(), *world_);
  }

  /// What the recorded steps tell of time.
  void report_recorded(const std::optional<CommunicationView>& communication) {
    if (communication) {
      files_->metric("communication", communication->record());
    }
    if (recorder_.profile().steps() > 0) {
      files_->metric("profile", recorder_.profile().record());
      if (prints_profile_) {
        const std::size_t columns = terminal_columns(STDOUT_FILENO);
        report_.say(recorder_.profile().table(columns > 1 ? columns - 1 : Profile::kUsualColumns),
                    recorder_.profile().table());
      }
    }
    if (communication) {
      say((prints_profile_ ? communication->table() : "") + communication->summary());
    }
  }

  void finish(const std::string& dump) {
    if (!test_) {
      evaluate_now();
    }
    const double seconds = seconds_since(start_);
    const std::optional<CommunicationView> communication = communication_view();
    if (!files_) {
      return;
    }
    report_recorded(communication);
    files_->metric("final", {{"test_accuracy", test_->accuracy},
                             {"test_loss", test_->loss},
                             {"seconds", seconds},
                             {"steps", step_},
                             {"dump", dump}});
    char text[96];
    std::snprintf(text, sizeof text, "test accuracy %.4f after %lld steps in %.1f s", test_->accuracy,
                  static_cast<long long>(step_), seconds);
    say(to_text("run directory: ", files_->directory(), "\ndump: ", dump, '\n', text));
    report_.result(dump);
  }

  const Experiment& experiment_;
  const Model& model_;
  const BatchMaker& test_data_;
  const RunOptions& options_;
  std::shared_ptr<distributed::Communicator> world_;
  std::unique_ptr<BatchStep> batch_step_;
  distributed::ShardedSampler sampler_;
  std::int64_t step_;
  RunPosition position_;
  std::int64_t first_step_;  ///< the step after which this run started
  std::int64_t epoch_;       ///< epochs that have been evaluated
  RunReport report_;
  const bool prints_profile_;
  StepRecorder recorder_;
  std::optional<RunFiles> files_;  ///< on rank 0
  std::string directory_;          ///< of the run, on every rank
  std::optional<Evaluation> test_;
  const PlantedFault fault_ = PlantedFault::of(world_->rank());
  std::int64_t checked_ = -1;  ///< the step after which the ranks have compared their models last
  MeanLoss epoch_loss_;        ///< of the steps that this run has done of the present epoch
  Clock::time_point start_ = Clock::now();
  const WarningsTo warnings_{[this](const std::string& text) { report_.warn(text); }};
};

}  // namespace

Outcome train(const Experiment& experiment, const Model& model, const BatchMaker& train_data,
              const BatchMaker& test_data, const RunOptions& options, const Platform& platform,
              const std::shared_ptr<distributed::Communicator>& world) {
  return TrainingRun(experiment, model, train_data, test_data, options, platform, world).run();
}

}  // namespace backflow::train
