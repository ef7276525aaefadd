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
#include <backflow/train/data/targets.h>
#include <backflow/train/run/digest.h>

namespace backflow::train {
namespace {

/// Tells of a batch that there are too few samples for.
void check_batch_size(const io::Config& config, const Experiment& e, std::int64_t samples) {
  if (e.train.batch_size > samples && distributed::environment_rank() == 0) {
    warn(config.section("train").where("batch_size"), ": 'batch_size' in [train] is ", e.train.batch_size, ", ",
         e.data.path(file_of_part(e.data, Part::Train)), " has ", samples, " samples: each step takes all of them");
  }
}

/// The classes of an mlp in a dump, which need not all occur in the test data; 0 if there are none.
std::int64_t classes_of(const io::Dump& dump, const ModelOptions& mlp) {
  const std::string last = to_text(2 * mlp.hidden.size(), ".weight");  // a ReLU stands between two layers
  for (const auto& [name, value] : dump.parameters) {
    if (name == last && value.dim() == 2) {
      return value.size(0);
    }
  }
  return 0;
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

/// The data that a run is judged by.
const BatchMaker& judged_by(const LoadedData& data, const Experiment& e) {
  if (!data.test && !data.validation) {
    e.data.section.fail("validation",
                        "no test data and no validation data in [data]: need one of them; validation = 0.1 splits a "
                        "tenth of the training data off");
  }
  return data.test ? *data.test : *data.validation;
}

}  // namespace

Prepared prepare(const io::Config& config, const io::Dump* dump) {
  Experiment e = Experiment::read(config);
  e.check_files(config);
  const auto purpose = dump == nullptr ? DataPurpose::Training : DataPurpose::Evaluation;
  LoadedData data = load_data(e.data, e.train.dtype, static_cast<std::uint64_t>(e.seed), purpose);
  BatchMaker judge = judged_by(data, e);
  if (dump != nullptr) {
    data.train.reset();
  } else {
    check_batch_size(config, e, data.train->size());
    e.check_batch_size(config, data.train->size());
  }
  const DataInfo& info = data.train ? data.train->info() : judge.info();
  manual_seed(static_cast<std::uint64_t>(e.seed));
  set_winograd(e.train.winograd);
  std::int64_t classes = data.train ? info.classes : 0;
  if (dump != nullptr && e.model.name == "mlp") {
    classes = std::max(classes_of(*dump, e.model), std::int64_t{1});
  }
  Model model = build_model(e.model, info.sample_shape, classes, e.train.dtype, 2 + e.optimizer.state_tensors);
  if (dump != nullptr && info.target == TargetKind::Class) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(judge.source().size()));
    std::iota(all.begin(), all.end(), 0);
    const std::string labels = e.data.format == "idx" ? e.data.test_labels : file_of_part(e.data, Part::Test);
    check_classes(judge.source().read_targets(all), e.data.path(labels), model.classes, "the model");
  }
  return {std::move(e),
          config,
          settle(config, data.settled),
          std::move(data.train),
          std::move(data.validation),
          std::move(judge),
          std::move(model)};
}

Platform start_platform(distributed::Communicator& world, const RankRequest& place,
                        const std::vector<std::string>& notes) {
  Platform platform = set_up_platform(world, place);
  if (world.rank() == 0) {
    for (const std::string& note : notes) {
      std::cerr << "backflow: note: " << note << '\n';
    }
    for (const std::string& warning : platform.warnings) {
      std::cerr << "backflow: warning: " << warning << '\n';
    }
  }
  return platform;
}

Facts facts_of(const Prepared& p) {
  Facts facts = p.settled.values();
  facts.emplace_back("data.train", p.train_data ? p.train_data->description() : "");
  facts.emplace_back("data.test", p.test_data.description());
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
