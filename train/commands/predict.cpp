#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/io/row_file.h>
#include <backflow/ops/winograd.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/commands/prepared.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/predict/prediction.h>
#include <backflow/train/run/digest.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/resume.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/run/start_report.h>

namespace backflow::train {
namespace {

struct Options {
  std::string file;
  std::string data;
  std::string output;
  std::vector<std::string> overrides;
  RankRequest place;
};

int run_predict(const Options& line) {
  return run_job([&](const World& world) -> int {
    io::Dump dump;
    std::optional<io::Config> config;
    std::vector<std::string> notes;
    std::int64_t batch_size = 1;
    const PredictionSetup setup = on_all_ranks(*world, [&] {
      if (!std::filesystem::exists(line.file)) {
        throw io::ConfigError(to_text(line.file, ": no such file: need a dump, as checkpoints/step-000003752.h5"));
      }
      dump = io::read_dump(line.file);
      check(!dump.config.empty(), line.file, ": holds no configuration: need a dump that 'backflow train' wrote");
      config.emplace(io::Config::parse(dump.config, line.file + ":/config", line.overrides));
      const Experiment experiment = Experiment::read(*config);
      set_winograd(experiment.train.winograd);
      batch_size = experiment.train.eval_batch_size;
      PredictionSetup made = set_up_prediction(experiment, dump, line.data);
      notes = config->notes();
      for (std::string& note : load_model(line.file, dump, *made.model.module)) {
        notes.push_back(std::move(note));
      }
      return made;
    });
    start_platform(*world, line.place, notes);
    Facts facts = config->values();
    facts.emplace_back("the data", setup.data.description());
    facts.emplace_back("the dump", describe_dump(dump));
    check_agreement(*world, "predict", {{"--output", line.output}}, facts);
    const std::int64_t n = write_predictions(setup, batch_size, line.output, *world);
    if (world->rank() == 0) {
      std::cout << "predictions of " << with_commas(n) << (n == 1 ? " sample: " : " samples: ") << line.output
                << std::endl;
    }
    return kDone;
  });
}

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* predict = app.add_subcommand("predict", "write what the model of a dump gives for each sample");
  predict->add_option("FILE", line->file, "dump, as checkpoints/step-000003752.h5")->required();
  predict
      ->add_option("--data", line->data,
                   "file, or folder of pictures, of the configuration's format; its test data unless given")
      ->check(not_empty, "")
      ->type_name("FILE");
  predict->add_option("-o,--output", line->output, "FILE.csv, FILE.npy or FILE.h5")
      ->required()
      ->check(io::RowFile::check_name, "")
      ->type_name("FILE");
  add_overrides(predict, line->overrides, "replace one key of the dump's configuration");
  add_placement(predict, line->place);
  predict->callback([line, &action] { action.run = [line] { return run_predict(*line); }; });
}

}  // namespace backflow::train
