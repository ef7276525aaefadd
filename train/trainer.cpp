#include <backflow/train/trainer.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include <backflow/distributed/sampler.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/batch_step.h>
#include <backflow/train/data/sample_order.h>
#include <backflow/train/formatted.h>
#include <backflow/train/loop/batch_feed.h>
#include <backflow/train/loop/loop_control.h>
#include <backflow/train/loop/run_evaluator.h>
#include <backflow/train/loop/run_output.h>
#include <backflow/train/model/model_dump.h>
#include <backflow/train/run/planted_fault.h>
#include <backflow/train/run/replicas.h>
#include <backflow/train/run/run_clock.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

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

distributed::SamplerOptions sampling(const Experiment& experiment, const BatchMaker& data, std::pair<int, int> place) {
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
        model_(model),
        options_(options),
        world_(std::move(world)),
        batch_step_(BatchStep::make(experiment, task, model, world_)),
        sampler_(sampling(experiment, data.train, batch_step_->place())),
        clock_(on_all_ranks(*world_, [this] { return RunClock(experiment_.train, sampler_, start_dump()); })),
        first_step_(clock_.step()),
        control_(experiment, task, *model.module, batch_step_->optimizers(),
                 run_length(experiment.train, data.train.size())),
        output_(experiment, task, options, world_),
        evaluator_(experiment, task, model, data, control_, output_, *world_, [this] { check_finite(own_state()); }),
        recorder_(RecordedSteps(clock_.total_steps() - first_step_, options.trace_steps),
                  world_->rank() == 0 ? StepRecorder::Gather::Profile : StepRecorder::Gather::Communication,
                  world_->rank()) {
    if (const io::Dump* const start = start_dump()) {
      run_on_all_ranks(*world_, [&] {
        batch_step_->load_state(*start);
        control_.load(*start);
      });
    }
    open(platform);
    const std::int64_t samples = experiment.train.batch_size / batch_step_->place().second;
    feed_.emplace(data.train, sampler_, *batch_step_, clock_.position(), clock_.total_steps() - first_step_,
                  prefetch_options(experiment.data, data.train.info(), samples));
  }

  Outcome run() {
    try {
      return run_epochs();
    } catch (const std::exception& error) {
      log_failure(output_.directory(), to_text("error: rank ", world_->rank(), ": ", error.what()));
      throw;
    }
  }

 private:
  /// What the run goes on from; null for one that starts anew.
  const io::Dump* start_dump() const { return options_.start.dump_path.empty() ? nullptr : &options_.start.dump; }

  void open(const Platform& platform) {
    output_.open(platform);
    if (options_.trace_steps > 0) {
      const bool has_files = output_.files() != nullptr;
      recorder_.set_directory(has_files ? output_.directory() : io::RunDirectory::at(output_.directory()).path());
    }
    check_best();
    if (start_dump() != nullptr) {
      output_.say(to_text("resumed after step ", first_step_, ": ", options_.start.dump_path));
    }
  }

  /// A best value without its dump, which somebody has removed, or which another directory has, would keep this run
  /// from writing one.
  void check_best() {
    if (control_.best() == nullptr || !control_.best()->best()) {
      return;
    }
    RunFiles* const files = output_.files();
    const bool is_gone = !world_->all_gather(files != nullptr && !files->had_best() ? "gone" : "").front().empty();
    if (is_gone) {
      control_.forget_best();
    }
    if (is_gone && files != nullptr) {
      output_.report().warn(to_text(files->directory(), "/checkpoints/", io::RunDirectory::kBest,
                                    ": is not there: the best evaluation from now on writes it"));
    }
  }

  Outcome run_epochs() {
    Outcome outcome = Outcome::Done;
    output_.report().start_progress(first_step_);
    while (outcome == Outcome::Done && clock_.is_epoch_left() && !control_.is_hopeless()) {
      outcome = is_paused() ? Outcome::Stopped : run_epoch();
    }
    if (recorder_.end_run()) {
      output_.say("trace: " + recorder_.trace_path());
    }
    if (outcome == Outcome::Done && control_.evaluated_step() != clock_.step() && clock_.step() > 0) {
      evaluate();  // so that the last dump knows of it
    }
    const std::string dump = save();
    if (outcome == Outcome::Stopped) {
      const std::string why = is_paused()
                                  ? to_text("after epoch ", clock_.epochs_done(), ", as --stop-after-epoch says")
                                  : to_text("by a signal after step ", clock_.step());
      output_.say(to_text("stopped ", why, "; dump: ", dump));
      output_.report().result(dump);
      return outcome;
    }
    if (control_.is_hopeless()) {
      output_.say(to_text("stopped early after step ", clock_.step(), ": ", control_.why_hopeless()));
    }
    finish(dump);
    return outcome;
  }

  /// The rest of the epoch in which the run is.
  Outcome run_epoch() {
    const Clock::time_point start = Clock::now();
    epoch_loss_ = {};
    while (!clock_.at_end_of_epoch() && !clock_.at_limit()) {
      if (step() == Outcome::Stopped) {
        return Outcome::Stopped;
      }
      if (control_.is_hopeless()) {
        return Outcome::Done;
      }
    }
    clock_.end_epoch();
    const bool is_due = is_evaluated(clock_.epochs_done());
    if (is_due) {
      evaluate();
    }
    say_epoch(seconds_since(start), is_due);
    return Outcome::Done;
  }

  /// Whether the epochs are over that the command line asks for.
  bool is_paused() const {
    const std::int64_t last = options_.stop_after_epoch;
    return last > 0 && clock_.epochs_done() >= last && clock_.position().steps == 0;
  }

  bool is_evaluated(std::int64_t epoch) const {
    const std::int64_t every = experiment_.evaluation.every_epochs;
    return every > 0 && epoch % every == 0;
  }

  /// Whether an evaluation within an epoch is due, and not one at its end that comes next.
  bool is_evaluated_now() const {
    const std::int64_t every = experiment_.evaluation.every_steps;
    const bool ends = clock_.at_end_of_epoch() || clock_.at_limit();
    return every > 0 && clock_.step() % every == 0 && !(ends && is_evaluated(clock_.position().epoch + 1));
  }

  void evaluate() {
    if (evaluator_.evaluate(clock_.step(), clock_.current_epoch())) {
      const io::Dump dump = full_state();
      if (output_.files() != nullptr) {
        output_.files()->best(dump);
      }
    }
  }

  void say_epoch(double seconds, bool is_evaluated) {
    // A run that goes on from the end of an epoch has no loss of it.
    const std::string loss = epoch_loss_.n > 0 ? formatted("loss %.4f, ", epoch_loss_.mean()) : "";
    std::string found = is_evaluated ? evaluator_.text() : "";
    found += found.empty() ? "" : ", ";
    output_.say(
        to_text("epoch ", clock_.epochs_done(), '/', clock_.epochs(), ": ", loss, found, formatted("%.1f s", seconds)));
  }

  Outcome step() {
    recorder_.begin_step(clock_.step() - first_step_);
    const Outcome outcome = train_step();
    const std::int64_t done = clock_.step();
    if (recorder_.end_step(done - 1 - first_step_)) {
      output_.say("trace: " + recorder_.trace_path());
    }
    const std::int64_t check_every = experiment_.distributed.check_every;
    if (check_every > 0 && done % check_every == 0) {
      check_replicas();
    }
    if (is_evaluated_now()) {
      evaluate();
      output_.say(to_text("step ", done, ": ", evaluator_.text()));
    }
    const std::int64_t save_every = experiment_.checkpoint.every_steps;
    if (save_every > 0 && done % save_every == 0) {
      save();
    }
    return outcome;
  }

  Outcome train_step() {
    const trace::Span span("step");
    const Clock::time_point start = Clock::now();
    const std::int64_t done = clock_.step();
    world_->note_step(done + 1);
    const double stalled = feed_->stall_seconds();
    std::int64_t n = 0;
    const StepResult result = in_step(done + 1, [&] {
      fault_.before_step(done + 1);
      control_.before_step(done);
      const BatchFeed::Next next = feed_->next();
      n = next.batch.global_n;
      StepResult now = batch_step_->run(done, next.batch, next.samples);
      control_.after_step(done + 1);
      fault_.after_step(done + 1, *model_.module);
      return now;
    });
    clock_.end_step();
    report(n, result, seconds_since(start), feed_->stall_seconds() - stalled);
    return result.stop ? Outcome::Stopped : Outcome::Done;
  }

  void report(std::int64_t n, const StepResult& result, double seconds, double stalled) {
    check(std::isfinite(result.loss), "train: the loss at step ", clock_.step(), " is ", result.loss,
          ": need finite numbers; a smaller learning rate may help");
    epoch_loss_.add(result.loss, n);
    StepFacts facts{.step = clock_.step(),
                    .steps = clock_.total_steps(),
                    .epoch = clock_.current_epoch(),
                    .epochs = clock_.epochs(),
                    .samples = n,
                    .seconds = seconds,
                    .stall_seconds = stalled,
                    .lr = control_.lr(),
                    .grad_norm = {}};
    if (experiment_.train.clip_grad_norm > 0) {
      facts.grad_norm = batch_step_->grad_norm();
    }
    output_.step(facts, result);
  }

  /// Whether all ranks still have the same. Collective.
  void check_replicas() {
    if (experiment_.distributed.check_every > 0 && checked_ != clock_.step() && world_->size() > 1) {
      const trace::Span span("check replicas");
      train::check_replicas(*world_, clock_.step(), batch_step_->replica());
      checked_ = clock_.step();
    }
  }

  /// What this rank has of the model and of the optimizer's state.
  io::Dump own_state() {
    io::Dump dump = make_dump(*model_.module);
    for (const optim::Optimizer* optimizer : batch_step_->optimizers()) {
      append_optimizer_state(*optimizer, *model_.module, dump.optimizer);
    }
    dump.step = clock_.step();
    return dump;
  }

  /// What a run goes on from, on rank 0. Collective.
  io::Dump full_state() {
    check_replicas();
    io::NamedTensors optimizer = batch_step_->optimizer_state();
    io::Dump dump;
    if (output_.files() == nullptr) {
      return dump;
    }
    dump = make_dump(*model_.module);
    dump.step = clock_.step();
    dump.epoch = clock_.epochs_done();
    dump.optimizer = std::move(optimizer);
    control_.save(dump);
    set_position(dump, clock_.position(), sampler_);
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
    RunFiles* const files = output_.files();
    return files != nullptr ? files->checkpoint(dump, experiment_.checkpoint.keep_last) : "";
  }

  void finish(const std::string& dump) {
    RunEnd end{.evaluation = {}, .best = control_.best(), .steps = clock_.step(), .dump = dump};
    evaluator_.evaluate_last(clock_.step(), clock_.current_epoch(), end);
    end.seconds = seconds_since(start_);
    std::optional<CommunicationView> communication;  // nothing where there is nobody to communicate with
    if (world_->size() > 1 && recorder_.communication().steps() > 0) {
      communication.emplace(recorder_.communication(), *world_);
    }
    if (output_.files() != nullptr) {
      output_.recorded(recorder_.profile(), communication);
      output_.end(end);
    }
  }

  const Experiment& experiment_;
  const Model& model_;
  const RunOptions& options_;
  std::shared_ptr<distributed::Communicator> world_;
  std::unique_ptr<BatchStep> batch_step_;
  distributed::ShardedSampler sampler_;
  RunClock clock_;
  const std::int64_t first_step_;  ///< the step after which this run started
  LoopControl control_;
  RunOutput output_;
  RunEvaluator evaluator_;
  StepRecorder recorder_;
  const PlantedFault fault_ = PlantedFault::of(world_->rank());
  std::int64_t checked_ = -1;  ///< the step after which the ranks have compared their models last
  MeanLoss epoch_loss_;        ///< of the steps that this run has done of the present epoch
  Clock::time_point start_ = Clock::now();
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
