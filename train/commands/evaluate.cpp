#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <backflow/io/metrics.h>
#include <backflow/train/commands/commands.h>
#include <backflow/train/commands/options.h>
#include <backflow/train/commands/prepared.h>
#include <backflow/train/evaluation.h>
#include <backflow/train/exit_code.h>
#include <backflow/train/formatted.h>
#include <backflow/train/loop/evaluation_text.h>
#include <backflow/train/run/digest.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/resume.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {
namespace {

struct Options {
  std::string file;
  std::vector<std::string> overrides;
  bool table = false;
  RankRequest place;
};

void print(const Evaluation& result, const Task& task, const std::string& split, bool table, const io::Dump& dump) {
  if (table) {
    std::cout << headline_text(task, result, split) << '\n' << class_table(result);
    for (const auto& [name, value] : result.metrics) {
      std::cout << formatted("%-20s %.6g\n", name.c_str(), value);
    }
    std::cout << std::flush;
    return;
  }
  io::MetricRecord record;
  append_metrics(result, record, split + "_");
  record.insert(record.end(), {{"samples", result.samples}, {"step", dump.step}, {"epoch", dump.epoch}});
  std::cout << io::to_json(record) << std::endl;
}

int run_evaluate(const Options& line) {
  return run_job([&](const World& world) -> int {
    io::Dump dump;
    std::vector<std::string> notes;
    const Prepared p = on_all_ranks(*world, [&] {
      if (!std::filesystem::exists(line.file)) {
        throw io::ConfigError(to_text(line.file, ": no such file: need a dump, as checkpoints/step-000003752.h5"));
      }
      dump = io::read_dump(line.file);
      check(!dump.config.empty(), line.file, ": holds no configuration: need a dump that 'backflow train' wrote");
      Prepared prepared = prepare(io::Config::parse(dump.config, line.file + ":/config", line.overrides), &dump);
      notes = load_model(line.file, dump, *prepared.model.module);
      return prepared;
    });
    start_platform(*world, line.place, notes);
    Facts facts = facts_of(p);
    facts.emplace_back("the dump", describe_dump(dump));
    check_agreement(*world, "evaluate", {}, facts);
    const Evaluation result = evaluate(*p.task, p.model, *p.judge(), p.experiment.train.eval_batch_size, *world);
    if (world->rank() == 0) {
      print(result, *p.task, p.test_data ? "test" : "validation", line.table, dump);
    }
    return kDone;
  });
}

}  // namespace

void add_evaluate(CLI::App& app, Action& action) {
  const auto line = std::make_shared<Options>();
  CLI::App* evaluate = app.add_subcommand(
      "evaluate", "evaluate a dump on the test data of its configuration, or the validation data where there are none");
  evaluate->add_option("FILE", line->file, "dump, as checkpoints/step-000003752.h5")->required();
  add_overrides(evaluate, line->overrides, "replace one key of the dump's configuration");
  evaluate->add_flag("--table", line->table, "print a table for people, with precision, recall and F1 of each class");
  add_placement(evaluate, line->place);
  evaluate->callback([line, &action] { action.run = [line] { return run_evaluate(*line); }; });
}

}  // namespace backflow::train
