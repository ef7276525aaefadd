#include <backflow/train/commands/prepared.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include <backflow/ops/creation/random.h>
#include <backflow/ops/winograd.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/train/run/digest.h>

namespace backflow::train {
namespace {

/// Tells of a batch that there are too few samples for.
void check_batch_size(const io::Config& config, const Experiment& e, std::int64_t samples) {
  if (e.train.batch_size > samples && distributed::environment_rank() == 0) {
    warn(config.section("train").where("batch_size"), ": 'batch_size' in [train] is ", e.train.batch_size, ", ",
         e.data.path(e.data.train_images), " has ", samples, " samples: each step takes all of them");
  }
}

/// What the data ask of the model. The classes of a model in a dump need not all occur in the test data.
ModelRequest request_of(const Experiment& e, const Dataset& data, const io::Dump* dump) {
  ModelRequest request{
      .sample_shape = data.sample_shape(), .dtype = e.train.dtype, .copies = 2 + e.optimizer.state_tensors};
  if (dump == nullptr) {
    request.output_shape = {data.num_classes()};
  } else if (e.model.name == "layers") {
    request.any_output = true;
  } else {
    request.output_shape = {std::max(saved_outputs(e.model, request, dump->parameters), std::int64_t{1})};
  }
  return request;
}

}  // namespace

Prepared prepare(const io::Config& config, const io::Dump* dump) {
  Experiment e = Experiment::read(config);
  e.check_files(config);
  const auto read = [&e](const std::string& images, const std::string& labels) {
    return BatchMaker(load_dataset(e.data.path(images), e.data.path(labels)), e.data, e.train.dtype);
  };
  std::optional<BatchMaker> train_data;
  if (dump == nullptr) {
    train_data.emplace(read(e.data.train_images, e.data.train_labels));
    check_batch_size(config, e, train_data->dataset().size());
  }
  BatchMaker test_data = read(e.data.test_images, e.data.test_labels);
  const Dataset& first = train_data ? train_data->dataset() : test_data.dataset();
  check(first.sample_shape() == test_data.dataset().sample_shape(), e.data.path(e.data.test_images),
        ": samples of shape ", test_data.dataset().sample_shape(), ", in ", e.data.path(e.data.train_images), " of ",
        first.sample_shape(), ": need one shape");
  if (train_data) {
    e.check_batch_size(config, train_data->dataset().size());
  }
  set_winograd(e.train.winograd);
  const ModelRequest request = request_of(e, first, dump);
  manual_seed(static_cast<std::uint64_t>(e.seed));
  Model model = build_model(e.model, request);
  check_classes(test_data.dataset(), e.data.path(e.data.test_labels), model.classes,
                train_data ? e.data.path(e.data.train_labels) : "the model");
  return {std::move(e), config, std::move(train_data), std::move(test_data), std::move(model)};
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
  Facts facts = p.config.values();
  facts.emplace_back("data.train", p.train_data ? describe_data(p.train_data->dataset()) : "");
  facts.emplace_back("data.test", describe_data(p.test_data.dataset()));
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
