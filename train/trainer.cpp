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
#include <backflow/train/formatted.h>
#include <backflow/train/loop/batch_feed.h>
#include <backflow/train/loop/best_dump.h>
#include <backflow/train/loop/checkpoints.h>
#include <backflow/train/loop/loop_control.h>
#include <backflow/train/loop/mean_loss.h>
#include <backflow/train/loop/run_evaluator.h>
#include <backflow/train/loop/run_output.h>
#include <backflow/train/loop/run_state.h>
#include <backflow/train/model/model_dump.h>
#include <backflow/train/run/planted_fault.h>
#include <backflow/train/run/run_clock.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

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
        sampler_(sampling_of_run(experiment, data.train, batch_step_->place())),
        clock_(on_all_ranks(*world_, [this] { return RunClock(experiment_.train, sampler_, start_dump()); })),
        first_step_(clock_.step()),
        control_(experiment, task, *model.module, batch_step_->optimizers(),
                 run_length(experiment.train, data.train.size())),
        output_(experiment, task, options, world_),
        state_(experiment, options, {model, *batch_step_, sampler_, clock_, control_}, *world_),
        evaluator_(experiment, task, model, data, control_, output_, *world_, [this] { check_finite(state_.own()); }),
        recorder_(RecordedSteps(clock_.total_steps() - first_step_, options.trace_steps),
                  world_->rank() == 0 ? StepRecorder::Gather::Profile : StepRecorder::Gather::Communication,
                  world_->rank()) {
    if (const io::Dump* const start = start_dump()) {
      state_.load(*start);
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
    forget_best_without_file(control_, output_, *world_);
    if (start_dump() != nullptr) {
      output_.say(to_text("resumed after step ", first_step_, ": ", options_.start.dump_path));
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
    const std::string dump = checkpoints_.save_last();
    if (outcome == Outcome::Stopped) {
      check_last_dump();
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
    check_last_dump();
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
    if (experiment_.checkpoint.on_error == OnWriteError::Warn) {
      forget_lost_best(control_, checkpoints_, *world_);
    }
    if (evaluator_.evaluate(clock_.step(), clock_.current_epoch())) {
      checkpoints_.save_best();
    }
  }

  /// A run whose last dump could not be written has not done what it should, though all else is there. Collective.
  void check_last_dump() {
    run_on_rank_0(*world_, [&] { check(checkpoints_.last_error().empty(), checkpoints_.last_error()); });
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
    batch_step_->ask_for_dump(checkpoints_.is_time());
    const StepResult result = train_step();
    const std::int64_t done = clock_.step();
    if (recorder_.end_step(done - 1 - first_step_)) {
      output_.say("trace: " + recorder_.trace_path());
    }
    const std::int64_t check_every = experiment_.distributed.check_every;
    if (check_every > 0 && done % check_every == 0) {
      state_.check_replicas();
    }
    if (is_evaluated_now()) {
      evaluate();
      output_.say(to_text("step ", done, ": ", evaluator_.text()));
    }
    checkpoints_.look();
    if (result.dump || checkpoints_.is_due(done)) {
      checkpoints_.save();
    } else if (done == first_step_ + 1) {
      checkpoints_.prepare(clock_.total_steps() - done);
    }
    return result.stop ? Outcome::Stopped : Outcome::Done;
  }

  StepResult train_step() {
    const trace::Span span("step");
    const Clock::time_point start = Clock::now();
    const std::int64_t done = clock_.step();
    world_->note_step(done + 1);
    const double stalled = feed_->stall_seconds();
    std::int64_t n = 0;
    StepResult result = in_step(done + 1, [&] {
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
    return result;
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

  void finish(const std::string& dump) {
    RunEnd end{.evaluation = {},
               .best = checkpoints_.is_best_lost() ? nullptr : control_.best(),
               .steps = clock_.step(),
               .dump = dump};
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
  RunState state_;
  Checkpoints checkpoints_{experiment_, state_, output_, *world_};
  RunEvaluator evaluator_;
  StepRecorder recorder_;
  const PlantedFault fault_ = PlantedFault::of(world_->rank());
  MeanLoss epoch_loss_;  ///< of the steps that this run has done of the present epoch
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
