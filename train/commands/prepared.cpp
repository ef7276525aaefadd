#include <backflow/train/commands/prepared.h>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <tuple>
#include <utility>

#include <backflow/ops/creation/random.h>
#include <backflow/ops/winograd.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/train/data/formats.h>
#include <backflow/train/data/load_data.h>
#include <backflow/train/data/sample_order.h>
#include <backflow/train/data/targets.h>
#include <backflow/train/loop/loop_control.h>
#include <backflow/train/loop/parameter_groups.h>
#include <backflow/train/run/digest.h>
#include <backflow/train/run/resume.h>
#include <backflow/train/run/resume_changes.h>
#include <backflow/train/trainer.h>

namespace backflow::train {
namespace {

/// Tells of a batch that there are too few samples for.
void check_batch_size(const io::Config& config, const Experiment& e, std::int64_t samples) {
  const bool is_wrong = e.train.drop_last;  // and an error
  if (e.train.batch_size > samples && !is_wrong && distributed::environment_rank() == 0) {
    warn(config.section("train").where("batch_size"), ": 'batch_size' in [train] is ", e.train.batch_size, ", ",
         e.data.path(file_of_part(e.data, Part::Train)), " has ", samples, samples == 1 ? " sample" : " samples",
         ": each step takes all of them");
  }
}

/// The configuration with what was found in the training data, so that a dump is evaluated by the same numbers.
io::Config settle(const io::Config& config, const std::vector<std::string>& settled) {
  if (settled.empty()) {
    return config;
  }
  io::Config result = io::Config::parse(config.resolved(), config.origin(), settled);
  Experiment::read(result);
  return result;
}

/// A GAN's task needs a GAN, and the other way round; and some settings are not for it.
void check_task(const Experiment& e, const Task& task, const Model& model) {
  const bool is_gan = model.generator != nullptr;
  if (is_gan != (task.name() == "gan")) {
    e.task.section.fail("name",
                        to_text("'name' in [task] is \"", e.task.name, "\" for the model \"", e.model.name, "\": need ",
                                is_gan ? "\"gan\", or another model"
                                       : "a model with a generator and a "
                                         "discriminator, as \"dcgan\", or another task"));
  }
  if (is_gan) {
    e.check_gan();
  }
}

/// How many classes there are: those of the data, or those that the model has.
enum class Classes : std::uint8_t { OfData, OfModel };

/// The task, and a model that gives what it needs. The classes of a dump need not all occur in the test data: its model
/// knows how many there are.
std::pair<std::shared_ptr<const Task>, Model> make_model(const Experiment& e, DataInfo info, Classes classes,
                                                         const io::Dump* dump) {
  const bool is_tokens = info.target == TargetKind::Tokens;
  ModelRequest request{.sample_shape = info.sample_shape,
                       .vocabulary = is_tokens ? info.classes : 0,
                       .dtype = e.train.dtype,
                       .copies = e.copies()};
  const bool asks_model = classes == Classes::OfModel && info.target == TargetKind::Class;
  if (asks_model && e.model.name == "layers") {
    request.any_output = true;
    info.classes = 0;
  } else if (asks_model && dump != nullptr) {
    info.classes = std::max(saved_outputs(e.model, request, dump->parameters), std::int64_t{1});
    manual_seed(static_cast<std::uint64_t>(e.seed));  // as if no model had been made before
  }
  std::shared_ptr<const Task> task = Task::make(e.task, info);
  if (!request.any_output) {
    request.output_shape = task->output_shape();
  }
  Model model = build_model(e.model, request);
  if (request.any_output) {
    info.classes = model.classes;
    task = Task::make(e.task, info);
  }
  check_task(e, *task, model);
  return {std::move(task), std::move(model)};
}

/// Looks at an experiment part by part.
class Preparation {
 public:
  Preparation(const io::Config& config, const io::Dump* dump, Mistakes& mistakes)
      : mistakes_(mistakes), dump_(dump), config_(config), e_(Experiment::read(config, mistakes)) {}

  Prepared run(Contents contents) {
    if (is_sound("data") && is_meant("data")) {
      load(mistakes_.empty() ? contents : Contents::Shapes);
    }
    const BatchMaker* const first = data_.train        ? &*data_.train
                                    : data_.test       ? &*data_.test
                                    : data_.validation ? &*data_.validation
                                                       : nullptr;
    if (first != nullptr && is_sound("model") && is_meant("model") && is_sound("task") && is_sound("train")) {
      mistakes_.attempt([&] { make(*first); });
    }
    if (dump_ == nullptr) {
      check_training();
    }
    io::Config settled = config_;
    mistakes_.attempt([&] { settled = mistakes_.empty() ? settle(config_, data_.settled) : config_; });
    return {std::move(e_),
            config_,
            std::move(settled),
            std::move(data_.train),
            std::move(data_.validation),
            std::move(data_.test),
            std::move(model_),
            std::move(task_)};
  }

 private:
  bool is_sound(const char* section) const { return config_.section(section).is_sound(); }
  /// Not one that is left out in a configuration with mistakes: its name may be one of these.
  bool is_meant(const char* section) const { return mistakes_.empty() || config_.root().has(section); }

  void load(Contents contents) {
    const auto purpose = dump_ == nullptr ? DataPurpose::Training : DataPurpose::Evaluation;
    const auto seed = static_cast<std::uint64_t>(e_.seed);
    data_ = load_data(e_.data, e_.train.dtype, seed, purpose, contents, mistakes_);
    if (dump_ == nullptr) {
      return;
    }
    data_.train.reset();
    if (mistakes_.empty() && !data_.test && !data_.validation) {
      mistakes_.attempt([&] {
        e_.data.section.fail("test_file", "no test data and no validation data in [data]: need some to evaluate on");
      });
    }
  }

  void make(const BatchMaker& first) {
    set_winograd(e_.train.winograd);
    manual_seed(static_cast<std::uint64_t>(e_.seed));
    std::tie(task_, model_) = make_model(e_, first.info(), data_.train ? Classes::OfData : Classes::OfModel, dump_);
    if (dump_ != nullptr && first.info().target == TargetKind::Class) {
      std::vector<std::int64_t> all(static_cast<std::size_t>(first.source().size()));
      std::iota(all.begin(), all.end(), 0);
      const std::string labels = e_.data.format == "idx" ? e_.data.test_labels : file_of_part(e_.data, Part::Test);
      check_classes(first.source().read_targets(all), e_.data.path(labels), model_.classes, "the model");
    }
  }

  /// What data, model and loop have to agree on, as far as they are there.
  void check_training() {
    const bool knows_steps = data_.train && is_sound("train");
    if (knows_steps) {
      mistakes_.attempt([&] { e_.check_batch_size(config_, data_.train->size()); });
      check_batch_size(config_, e_, data_.train->size());
    }
    if (data_.train) {
      mistakes_.attempt([&] { check_sampling(*data_.train, e_.data); });
    }
    if (model_.module && is_sound("optimizer")) {
      mistakes_.attempt([&] { freeze_parameters(e_.optimizer, *model_.module); });
    }
    if (task_) {
      const bool can_evaluate = e_.data.validation > 0 || !file_of_part(e_.data, Part::Validation).empty() ||
                                !file_of_part(e_.data, Part::Test).empty();
      LoopControl::check_metrics(e_, *task_, can_evaluate, mistakes_);
    }
    if (knows_steps && is_sound("schedule")) {
      mistakes_.attempt([&] { LrSchedule::check_lengths(e_.schedule, run_length(e_.train, data_.train->size())); });
    }
  }

  Mistakes& mistakes_;
  const io::Dump* const dump_;
  const io::Config& config_;
  Experiment e_;
  LoadedData data_;
  Model model_;
  std::shared_ptr<const Task> task_;
};

}  // namespace

const BatchMaker* Prepared::judge() const {
  return test_data ? &*test_data : validation_data ? &*validation_data : nullptr;
}

RunData Prepared::run_data() const {
  return {.train = *train_data,
          .validation = validation_data ? &*validation_data : nullptr,
          .test = test_data ? &*test_data : nullptr};
}

Prepared prepare(const io::Config& config, const io::Dump* dump) {
  Mistakes mistakes;
  Prepared prepared = Preparation(config, dump, mistakes).run(Contents::Samples);
  mistakes.check();
  return prepared;
}

Prepared prepare(const io::Config& config, Contents contents, Mistakes& mistakes) {
  return Preparation(config, nullptr, mistakes).run(contents);
}

Platform start_platform(distributed::Communicator& world, const RankRequest& place,
                        const std::vector<std::string>& notes) {
  Platform platform = set_up_platform(world, place);
  if (world.rank() == 0) {
    for (const std::string& note : notes) {
      std::cerr << "backflow: note: " + note + '\n';
    }
    for (const std::string& warning : platform.warnings) {
      std::cerr << "backflow: warning: " + warning + '\n';
    }
  }
  return platform;
}

Facts facts_of(const Prepared& p) {
  Facts facts = p.settled.values();
  facts.emplace_back("data.train", p.train_data ? p.train_data->description() : "");
  facts.emplace_back("data.test", p.judge() != nullptr ? p.judge()->description() : "");
  return facts;
}

Facts platform_facts(const Experiment& experiment, const Platform& platform) {
  if (experiment.distributed.reduction == GradientReduction::Fast) {
    return {};
  }
  return {{"the instruction set", platform.place.instruction_sets}};
}

std::vector<std::string> take_over(RunStart& start, const std::vector<std::string>& allowed, const Facts& facts,
                                   const Prepared& p) {
  if (start.dump_path.empty()) {
    return {};
  }
  AllowedChanges changes = check_changes(start.dump_path, start.dump, facts, allowed);
  if (changes.of_optimizer_state) {
    start.dump.optimizer.clear();
    changes.notes.push_back("the optimizer's state starts anew");
  }
  load_trained_model(start.dump_path, start.dump, *p.model.module);
  return changes.notes;
}

void check_agreement(distributed::Communicator& world, const std::string& command, const Facts& options,
                     const Facts& run, const Facts& platform) {
  Facts facts = {{"the command", command}};
  facts.insert(facts.end(), options.begin(), options.end());
  for (const auto& fact : run) {
    if (!is_data_path(fact.first)) {
      facts.push_back(fact);
    }
  }
  facts.emplace_back("the version of Backflow", versions()["backflow"]);
  facts.emplace_back("the version of oneDNN", versions()["onednn"]);
  facts.emplace_back("the program", describe_program());
  facts.insert(facts.end(), platform.begin(), platform.end());
  check_ranks_agree(world, facts);
}

}  // namespace backflow::train
