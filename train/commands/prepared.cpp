#include <backflow/train/commands/prepared.h>

#include <algorithm>
#include <iostream>
#include <numeric>
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
#include <backflow/train/trainer.h>

namespace backflow::train {
namespace {

/// Tells of a batch that there are too few samples for.
void check_batch_size(const io::Config& config, const Experiment& e, std::int64_t samples) {
  if (e.train.batch_size > samples && distributed::environment_rank() == 0) {
    warn(config.section("train").where("batch_size"), ": 'batch_size' in [train] is ", e.train.batch_size, ", ",
         e.data.path(file_of_part(e.data, Part::Train)), " has ", samples, " samples: each step takes all of them");
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

/// The task, and a model that gives what it needs. The classes of a dump need not all occur in the test data: its model
/// knows how many there are.
std::pair<std::shared_ptr<const Task>, Model> make_model(const Experiment& e, DataInfo info, const io::Dump* dump) {
  const bool is_tokens = info.target == TargetKind::Tokens;
  ModelRequest request{.sample_shape = info.sample_shape,
                       .vocabulary = is_tokens ? info.classes : 0,
                       .dtype = e.train.dtype,
                       .copies = e.copies()};
  const bool asks_model = dump != nullptr && info.target == TargetKind::Class;
  if (asks_model && e.model.name == "layers") {
    request.any_output = true;
    info.classes = 0;
  } else if (asks_model) {
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

}  // namespace

const BatchMaker* Prepared::judge() const {
  return test_data ? &*test_data : validation_data ? &*validation_data : nullptr;
}

Prepared prepare(const io::Config& config, const io::Dump* dump) {
  Experiment e = Experiment::read(config);
  const auto purpose = dump == nullptr ? DataPurpose::Training : DataPurpose::Evaluation;
  check_data_files(e.data, purpose);
  LoadedData data = load_data(e.data, e.train.dtype, static_cast<std::uint64_t>(e.seed), purpose);
  if (dump != nullptr) {
    data.train.reset();
    if (!data.test && !data.validation) {
      e.data.section.fail("test_file", "no test data and no validation data in [data]: need some to evaluate on");
    }
  } else {
    check_batch_size(config, e, data.train->size());
    e.check_batch_size(config, data.train->size());
    check_sampling(*data.train, e.data);
  }
  const BatchMaker& first = data.train ? *data.train : data.test ? *data.test : *data.validation;
  set_winograd(e.train.winograd);
  manual_seed(static_cast<std::uint64_t>(e.seed));
  auto [task, model] = make_model(e, first.info(), dump);
  if (dump != nullptr && first.info().target == TargetKind::Class) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(first.source().size()));
    std::iota(all.begin(), all.end(), 0);
    const std::string labels = e.data.format == "idx" ? e.data.test_labels : file_of_part(e.data, Part::Test);
    check_classes(first.source().read_targets(all), e.data.path(labels), model.classes, "the model");
  }
  if (data.train) {
    freeze_parameters(e.optimizer, *model.module);
    LoopControl::check(e, *task, data.test || data.validation, run_length(e.train, data.train->size()));
  }
  return {std::move(e),
          config,
          settle(config, data.settled),
          std::move(data.train),
          std::move(data.validation),
          std::move(data.test),
          std::move(model),
          std::move(task)};
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
