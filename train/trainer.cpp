#include <backflow/train/trainer.h>

#include <algorithm>
#include <chrono>
#include <cmath>
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
#include <backflow/train/formatted.h>
#include <backflow/train/loop/batch_feed.h>
#include <backflow/train/loop/evaluation_text.h>
#include <backflow/train/loop/loop_control.h>
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
  auto options =
      sampler_options(data, experiment.data, experiment.train.batch_size, static_cast<std::uint64_t>(experiment.seed));
  options.drop_last = experiment.train.drop_last;
  options.rank = place.first;
  options.size = place.second;
  return options;
}

/// One training run: epochs of steps (see BatchStep), each with its metrics, evaluations and dumps.
class TrainingRun {
 public:
  TrainingRun(const Experiment& experiment, const Task& task, const Model& model, const RunData& data,
              const RunOptions& options, const Platform& platform, std::shared_ptr<distributed::Communicator> world)
      : experiment_(experiment),
        task_(task),
        model_(model),
        data_(data),
        options_(options),
        world_(std::move(world)),
        batch_step_(BatchStep::make(experiment, task, model, world_)),
        sampler_(sampler_options_of(experiment, data.train, batch_step_->place())),
        length_(run_length(experiment.train, data.train.size())),
        step_(options.start.dump.step),
        position_(start_position()),
        first_step_(step_),
        epoch_(at_limit() ? options.start.dump.epoch : position_.epoch),
        control_(experiment, task, *model.module, batch_step_->optimizers(), length_),
        report_(world_->rank(), options.verbosity),
        recorder_(RecordedSteps(total_steps() - step_, options.trace_steps),
                  world_->rank() == 0 ? StepRecorder::Gather::Profile : StepRecorder::Gather::Communication,
                  world_->rank()) {
    if (is_resumed()) {
      run_on_all_ranks(*world_, [this] {
        batch_step_->load_state(options_.start.dump);
        control_.load(options_.start.dump);
      });
    }
    open_files(platform);
    const Prefetcher::Options prefetch{.depth = experiment.data.prefetch, .workers = experiment.data.workers};
    feed_.emplace(data_.train, sampler_, *batch_step_, position_, total_steps() - step_, prefetch);
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
    while (outcome == Outcome::Done && is_epoch_left() && !control_.is_hopeless()) {
      outcome = run_epoch();
    }
    if (recorder_.end_run()) {
      say("trace: " + recorder_.trace_path());
    }
    if (outcome == Outcome::Done && control_.evaluated_step() != step_ && step_ > 0) {
      evaluate_watched();  // so that the last dump knows of it
    }
    const std::string dump = save();
    if (outcome == Outcome::Stopped) {
      say(to_text("stopped by a signal after step ", step_, "; dump: ", dump));
      report_.result(dump);
      return outcome;
    }
    if (control_.is_hopeless()) {
      say(to_text("stopped early after step ", step_, ": ", control_.why_hopeless()));
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
      if (control_.is_hopeless()) {
        return Outcome::Done;
      }
    }
    epoch_ = position_.epoch + 1;
    if (position_.steps == sampler_.steps_per_epoch()) {
      position_ = {.epoch = epoch_};
    }
    const bool is_due = is_evaluated(epoch_);
    if (is_due) {
      evaluate_watched();
    }
    say_epoch(seconds_since(start), is_due);
    return Outcome::Done;
  }

  bool is_evaluated(std::int64_t epoch) const {
    const std::int64_t every = experiment_.evaluation.every_epochs;
    return every > 0 && epoch % every == 0;
  }

  /// Whether an evaluation within an epoch is due, and not one at its end that comes next.
  bool is_evaluated_now() const {
    const std::int64_t every = experiment_.evaluation.every_steps;
    const bool at_end = position_.steps == sampler_.steps_per_epoch() || at_limit();
    return every > 0 && step_ % every == 0 && !(at_end && is_evaluated(position_.epoch + 1));
  }

  /// What evaluations between steps are on; null where there is nothing.
  const BatchMaker* watched_data() const { return data_.validation != nullptr ? data_.validation : data_.test; }
  const char* watched_split() const { return data_.validation != nullptr ? "validation" : "test"; }

  Evaluation evaluate_on(const BatchMaker& data, const char* split) {
    const trace::Span span("evaluation");
    const AveragedWeights averaged(control_.ema());
    Evaluation result = evaluate(task_, model_, data, experiment_.train.eval_batch_size, *world_);
    if (!std::isfinite(result.loss())) {
      run_on_all_ranks(*world_, [&] {
        check_finite(state());  // says more
        fail("train: the ", split, " loss after step ", step_, " is ", result.loss(),
             ": need finite numbers; a smaller learning rate may help");
      });
    }
    return result;
  }

  /// Evaluates, and lets the loop know what came of it.
  void evaluate_watched() {
    const BatchMaker* const data = watched_data();
    if (data == nullptr) {
      return;
    }
    watched_ = evaluate_on(*data, watched_split());
    record(*watched_, watched_split());
    if (control_.after_evaluation(*watched_, step_)) {
      save_best();
    }
  }

  void record(const Evaluation& evaluation, const char* split) {
    if (!files_) {
      return;
    }
    if (has_confusion_record(evaluation)) {
      files_->metric("confusion", confusion_record(evaluation, split, step_));
    }
    io::MetricRecord record = {
        {"split", split},
        {"step", step_},
        {"epoch", position_.steps > 0 ? position_.epoch + 1 : std::max<std::int64_t>(epoch_, 1)}};
    append_metrics(evaluation, record);
    files_->metric("eval", record);
  }

  void say_epoch(double seconds, bool is_evaluated) {
    // A run that goes on from the end of an epoch has no loss of it.
    const std::string loss = epoch_loss_.n > 0 ? formatted("loss %.4f, ", epoch_loss_.mean()) : "";
    const std::string found =
        is_evaluated && watched_ ? headline_text(task_, *watched_, watched_split()) + ", " : std::string();
    say(to_text("epoch ", epoch_, '/', epochs(), ": ", loss, found, formatted("%.1f s", seconds)));
  }

  /// For people: of a run that counts steps alone, those that it takes.
  std::int64_t epochs() const {
    const std::int64_t steps = std::max<std::int64_t>(sampler_.steps_per_epoch(), 1);
    return experiment_.train.counts_steps ? (experiment_.train.max_steps + steps - 1) / steps
                                          : experiment_.train.epochs;
  }

  Outcome step() {
    recorder_.begin_step(step_ - first_step_);
    const Outcome outcome = train_step();
    if (recorder_.end_step(step_ - 1 - first_step_)) {
      say("trace: " + recorder_.trace_path());
    }
    if (experiment_.distributed.check_every > 0 && step_ % experiment_.distributed.check_every == 0) {
      check_replicas();
    }
    if (is_evaluated_now()) {
      evaluate_watched();
      say(to_text("step ", step_, ": ", watched_ ? headline_text(task_, *watched_, watched_split()) : ""));
    }
    if (experiment_.checkpoint.every_steps > 0 && step_ % experiment_.checkpoint.every_steps == 0) {
      save();
    }
    return outcome;
  }

  Outcome train_step() {
    const trace::Span span("step");
    const Clock::time_point start = Clock::now();
    world_->note_step(step_ + 1);
    const double stalled = feed_->stall_seconds();
    std::int64_t n = 0;
    const StepResult result = in_step(step_ + 1, [&] {
      fault_.before_step(step_ + 1);
      control_.before_step(step_);
      const BatchFeed::Next next = feed_->next();
      n = next.batch.global_n;
      StepResult done = batch_step_->run(step_, next.batch, next.samples);
      control_.after_step(step_ + 1);
      fault_.after_step(step_ + 1, *model_.module);
      return done;
    });
    ++step_;
    ++position_.steps;
    report(n, result, seconds_since(start), feed_->stall_seconds() - stalled);
    return result.stop ? Outcome::Stopped : Outcome::Done;
  }

  /// Whether all ranks still have the same. Collective.
  void check_replicas() {
    if (experiment_.distributed.check_every > 0 && checked_ != step_ && world_->size() > 1) {
      const trace::Span span("check replicas");
      train::check_replicas(*world_, step_, batch_step_->replica());
      checked_ = step_;
    }
  }

  void report(std::int64_t n, const StepResult& result, double seconds, double stalled) {
    check(std::isfinite(result.loss), "train: the loss at step ", step_, " is ", result.loss,
          ": need finite numbers; a smaller learning rate may help");
    epoch_loss_.add(result.loss, n);
    const double rate = static_cast<double>(n) / std::max(seconds, 1e-9);
    if (files_) {
      io::MetricRecord record = {
          {"step", step_},       {"epoch", position_.epoch + 1}, {"loss", result.loss},
          {"lr", control_.lr()}, {"samples_per_second", rate},   {"peak_bytes", memory_stats().peak_bytes}};
      record.insert(record.end(), result.others.begin(), result.others.end());
      if (experiment_.train.clip_grad_norm > 0) {
        record.emplace_back("grad_norm", batch_step_->grad_norm());
      }
      record.emplace_back("stall_seconds", stalled);
      files_->metric("step", record);
    }
    report_.progress({.epoch = position_.epoch + 1,
                      .epochs = epochs(),
                      .step = step_,
                      .steps = total_steps(),
                      .loss = result.loss,
                      .samples_per_second = rate});
  }

  io::Dump state() {
    io::Dump dump = make_dump(*model_.module);
    for (const optim::Optimizer* optimizer : batch_step_->optimizers()) {
      append_optimizer_state(*optimizer, *model_.module, dump.optimizer);
    }
    dump.step = step_;
    return dump;
  }

  /// What a run goes on from; empty on ranks other than the first. Collective.
  io::Dump full_state() {
    check_replicas();
    io::NamedTensors optimizer = batch_step_->optimizer_state();
    if (!files_) {
      return {};
    }
    io::Dump dump = make_dump(*model_.module);
    dump.step = step_;
    dump.optimizer = std::move(optimizer);
    control_.save(dump);
    dump.epoch = epoch_;
    set_position(dump, position_, sampler_);
    dump.config = options_.resolved_config;
    dump.train_data = options_.train_data;
    dump.test_data = options_.test_data;
    dump.versions = versions();
    check_finite(dump);
    return dump;
  }

  /// Rank 0 dumps the model; returns the file's path there. Collective.
  std::string save() {
    const io::Dump dump = full_state();
    return files_ ? files_->checkpoint(dump, experiment_.checkpoint.keep_last) : "";
  }

  void save_best() {
    const io::Dump dump = full_state();
    if (files_) {
      files_->best(dump);
    }
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
      if (options_.profile) {
        const std::size_t columns = terminal_columns(STDOUT_FILENO);
        report_.say(recorder_.profile().table(columns > 1 ? columns - 1 : Profile::kUsualColumns),
                    recorder_.profile().table());
      }
    }
    if (communication) {
      say((options_.profile ? communication->table() : "") + communication->summary());
    }
  }

  /// On the test data, or where there are none on the validation data. Collective.
  std::optional<Evaluation> last_evaluation(const char*& split) {
    const bool is_other = data_.validation != nullptr && data_.test != nullptr;
    split = data_.test != nullptr ? "test" : "validation";
    if (!is_other && watched_) {
      return watched_;
    }
    const BatchMaker* const data = data_.test != nullptr ? data_.test : data_.validation;
    if (data == nullptr) {
      return std::nullopt;
    }
    Evaluation result = evaluate_on(*data, split);
    if (is_other) {
      record(result, split);
    }
    return result;
  }

  void finish(const std::string& dump) {
    const char* split = "test";
    const std::optional<Evaluation> last = last_evaluation(split);
    const double seconds = seconds_since(start_);
    const std::optional<CommunicationView> communication = communication_view();
    if (!files_) {
      return;
    }
    report_recorded(communication);
    io::MetricRecord record;
    if (last) {
      append_metrics(*last, record, to_text(split, "_"));
    }
    if (control_.best() != nullptr && control_.best()->best()) {
      record.emplace_back("best_" + control_.best()->metric(), *control_.best()->best());
      record.emplace_back("best_step", control_.best()->best_step());
    }
    record.insert(record.end(), {{"seconds", seconds}, {"steps", step_}, {"dump", dump}});
    files_->metric("final", record);
    say_end(last, split, seconds, dump);
  }

  void say_end(const std::optional<Evaluation>& last, const char* split, double seconds, const std::string& dump) {
    std::string text = to_text("run directory: ", files_->directory(), "\ndump: ", dump, '\n');
    if (control_.best() != nullptr && control_.best()->best()) {
      text += to_text("best ", control_.best()->metric(), formatted(" %.4f", *control_.best()->best()), " after ",
                      control_.best()->best_step(), " steps: checkpoints/best.h5\n");
    }
    const std::string found =
        last ? formatted("%s %s %.4f after ", split, task_.headline().c_str(), last->metric(task_.headline())) : "";
    say(text + found + formatted("%lld steps in %.1f s", static_cast<long long>(step_), seconds));
    report_.result(dump);
  }

  const Experiment& experiment_;
  const Task& task_;
  const Model& model_;
  const RunData data_;
  const RunOptions& options_;
  std::shared_ptr<distributed::Communicator> world_;
  std::unique_ptr<BatchStep> batch_step_;
  distributed::ShardedSampler sampler_;
  const RunLength length_;
  std::int64_t step_;
  RunPosition position_;
  std::int64_t first_step_;  ///< the step after which this run started
  std::int64_t epoch_;       ///< epochs that have been evaluated
  LoopControl control_;
  RunReport report_;
  StepRecorder recorder_;
  std::optional<RunFiles> files_;  ///< on rank 0
  std::string directory_;          ///< of the run, on every rank
  std::optional<Evaluation> watched_;
  const PlantedFault fault_ = PlantedFault::of(world_->rank());
  std::int64_t checked_ = -1;  ///< the step after which the ranks have compared their models last
  MeanLoss epoch_loss_;        ///< of the steps that this run has done of the present epoch
  Clock::time_point start_ = Clock::now();
  const WarningsTo warnings_{[this](const std::string& text) { report_.warn(text); }};
  std::optional<BatchFeed> feed_;  ///< the last: its threads use what is above
};

}  // namespace

RunLength run_length(const TrainOptions& options, std::int64_t samples) {
  const distributed::ShardedSampler sampler(
      {.dataset_size = samples, .batch_size = options.batch_size, .drop_last = options.drop_last});
  const std::int64_t steps = sampler.steps_per_epoch();
  const std::int64_t all = options.epochs * steps;
  return {.steps_per_epoch = steps, .total_steps = options.max_steps > 0 ? std::min(all, options.max_steps) : all};
}

Outcome train(const Experiment& experiment, const Task& task, const Model& model, const RunData& data,
              const RunOptions& options, const Platform& platform,
              const std::shared_ptr<distributed::Communicator>& world) {
  return TrainingRun(experiment, task, model, data, options, platform, world).run();
}

}  // namespace backflow::train
