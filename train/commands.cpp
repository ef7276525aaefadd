#include <backflow/train/commands.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include <backflow/io/atomic_file.h>
#include <backflow/io/dump.h>
#include <backflow/io/inspect.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/versions.h>
#include <backflow/ops/winograd.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/train/cores/profiled_step.h>
#include <backflow/train/data/idx_data.h>
#include <backflow/train/evaluation.h>
#include <backflow/train/run/agreement.h>
#include <backflow/train/run/digest.h>
#include <backflow/train/run/job.h>
#include <backflow/train/run/platform.h>
#include <backflow/train/run/resume.h>
#include <backflow/train/run/resume_changes.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/run/start_report.h>
#include <backflow/train/run/stop_signal.h>
#include <backflow/train/trainer.h>
#include <backflow/train/views/graphviz.h>
#include <backflow/train/views/operators_text.h>
#include <backflow/train/views/step_graph.h>

namespace backflow::train {
namespace {

/// What every command on an experiment makes of it: all that can be checked before anything is computed.
struct Prepared {
  Experiment experiment;
  io::Config config;
  std::optional<BatchMaker> train_data;
  BatchMaker test_data;
  Model model;
};

/// Tells of a batch that there are too few samples for.
void check_batch_size(const io::Config& config, const Experiment& e, std::int64_t samples) {
  if (e.train.batch_size > samples && distributed::environment_rank() == 0) {
    warn(config.section("train").where("batch_size"), ": 'batch_size' in [train] is ", e.train.batch_size, ", ",
         e.data.path(e.data.train_images), " has ", samples, " samples: each step takes all of them");
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

/// With the dump, if it is one that is to be evaluated.
Prepared prepare(const io::Config& config, const io::Dump* dump = nullptr) {
  Experiment e = Experiment::read(config);
  e.check_files(config);
  const auto read = [&e](const std::string& images, const std::string& labels) {
    return BatchMaker(load_idx(e.data.path(images), e.data.path(labels)),
                      {.dtype = e.train.dtype, .normalization = {{e.data.mean}, {e.data.std}}, .augmentation = {}});
  };
  std::optional<BatchMaker> train_data;
  if (dump == nullptr) {
    train_data.emplace(read(e.data.train_images, e.data.train_labels));
    check_batch_size(config, e, train_data->size());
  }
  BatchMaker test_data = read(e.data.test_images, e.data.test_labels);
  const DataInfo& first = train_data ? train_data->info() : test_data.info();
  check(first.sample_shape == test_data.info().sample_shape, e.data.path(e.data.test_images), ": samples of shape ",
        test_data.info().sample_shape, ", in ", e.data.path(e.data.train_images), " of ", first.sample_shape,
        ": need one shape");
  if (train_data) {
    e.check_batch_size(config, train_data->size());
  }
  manual_seed(static_cast<std::uint64_t>(e.seed));
  set_winograd(e.train.winograd);
  std::int64_t classes = train_data ? train_data->info().classes : 0;
  if (dump != nullptr && e.model.name == "mlp") {
    classes = std::max(classes_of(*dump, e.model), std::int64_t{1});
  }
  Model model = build_model(e.model, first.sample_shape, classes, e.train.dtype, 2 + e.optimizer.state_tensors);
  check_classes(dynamic_cast<const TensorSource&>(test_data.source()), e.data.path(e.data.test_labels), model.classes,
                train_data ? e.data.path(e.data.train_labels) : "the model");
  return {std::move(e), config, std::move(train_data), std::move(test_data), std::move(model)};
}

/// Sets up the platform, and says on standard error what is wrong with it.
Platform start_platform(distributed::Communicator& world, const CommandLine& line,
                        const std::vector<std::string>& notes) {
  Platform platform = set_up_platform(world, line.place);
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

/// What decides what a run computes: its configuration, and what its data are.
Facts facts_of(const Prepared& p) {
  Facts facts = p.config.values();
  facts.emplace_back("data.train", p.train_data ? p.train_data->description() : "");
  facts.emplace_back("data.test", p.test_data.description());
  return facts;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

/// Throws unless all ranks run the same command on the same data, with libraries that compute the same bits.
void check_agreement(distributed::Communicator& world, const std::string& command, const CommandLine& line,
                     const Facts& run, const Facts& platform = {}) {
  Facts facts = {{"the command", command},
                 {"--out", line.out},
                 {"--resume", line.resume},
                 {"--overwrite", line.overwrite ? "on" : "off"},
                 {"--allow-change", joined(line.allowed)},
                 {"--dry-run", line.dry_run ? "on" : "off"},
                 {"--trace", line.trace ? to_text(line.trace_steps, " steps") : "off"}};
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

/// What else has to be the same where the bits have to be.
Facts platform_facts(const Experiment& experiment, const Platform& platform) {
  if (experiment.distributed.reduction == GradientReduction::Fast) {
    return {};
  }
  return {{"the instruction set", platform.place.instruction_sets}};
}

void print_plan(const Prepared& p, const RunStart& start, const std::string& report) {
  for (const auto& parameter : p.model.module->named_parameters()) {
    std::cout << "  " << parameter.key() << "  " << describe(parameter.value()) << '\n';
  }
  std::cout << report << std::endl;
  for (const std::string& warning : start.warnings) {
    std::cout << "warning: " << warning << std::endl;
  }
  if (!start.dump_path.empty()) {
    std::cout << "goes on after step " << start.dump.step << ": " << start.dump_path << std::endl;
  }
}

/// Takes the dump over into the model, after a look at what has changed since; returns what the user should know of it.
std::vector<std::string> take_over(RunStart& start, const CommandLine& line, const Facts& facts, const Prepared& p) {
  if (start.dump_path.empty()) {
    return {};
  }
  AllowedChanges changes = check_changes(start.dump_path, start.dump, facts, line.allowed);
  if (changes.of_optimizer_state) {
    start.dump.optimizer.clear();
    changes.notes.push_back("the optimizer's state starts anew");
  }
  load_model(start.dump_path, start.dump, *p.model.module);
  return changes.notes;
}

/// Draws the step of an experiment into `file`, in the way that its suffix says, or prints it.
void write_graph(const Prepared& p, const std::string& file) {
  const StepGraph graph =
      observe_step(p.model, p.train_data->info().sample_shape, p.experiment.train.batch_size, p.experiment.train.dtype);
  const std::string& title = p.experiment.name;
  if (file.empty()) {
    std::cout << to_dot(graph, title);
  } else if (file.ends_with(".json")) {
    io::write_file_atomically(file, to_json(graph, title));
  } else {
    const std::string dot = to_dot(graph, title);
    const std::string suffix = file.substr(file.rfind('.') + 1);
    io::write_file_atomically(file, suffix == "dot" ? dot : run_graphviz(dot, suffix));
  }
}

}  // namespace

int run_train(const CommandLine& line) {
  watch_stop_signals();
  return run_job([&](const World& world) -> int {
    world->set_wait_limits({.stop_requested = stop_requested});
    const Prepared p = on_all_ranks(*world, [&] {
      Prepared prepared = prepare(io::Config::load(line.config, line.overrides));
      prepared.experiment.check_ranks(prepared.config, world->size());
      return prepared;
    });
    world->set_wait_limits({.timeout_s = p.experiment.distributed.timeout_s, .stop_requested = stop_requested});
    world->set_hierarchy(p.experiment.distributed.hierarchy);
    const Platform platform = start_platform(*world, line, p.config.notes());
    const Facts facts = facts_of(p);
    check_agreement(*world, "train", line, facts, platform_facts(p.experiment, platform));
    on_all_ranks(*world, [&] { check_allowed_names(line.allowed, facts); });
    RunStart start = start_run({.out = line.out, .resume = line.resume, .overwrite = line.overwrite}, *world);
    std::string report = start_report(p.experiment, p.model, *p.train_data, p.test_data, world->size(), platform);
    for (const std::string& note : on_all_ranks(*world, [&] { return take_over(start, line, facts, p); })) {
      report += "\n" + wrapped("note: " + note);
    }
    if (line.dry_run) {
      if (world->rank() == 0) {
        print_plan(p, start, report);
      }
      return kDone;
    }
    const Outcome outcome = train(p.experiment, p.model, *p.train_data, p.test_data,
                                  {.start = std::move(start),
                                   .resolved_config = p.config.resolved(),
                                   .report = report,
                                   .train_data = value_of(facts, "data.train"),
                                   .test_data = value_of(facts, "data.test"),
                                   .trace_steps = line.trace ? line.trace_steps : 0,
                                   .profile = line.profile,
                                   .verbosity = line.quiet ? Progress::Verbosity::Quiet : Progress::Verbosity::Normal},
                                  platform, world);
    world->barrier();
    return outcome == Outcome::Stopped ? kStopped : kDone;
  });
}

int run_profile(const CommandLine& line) {
  return run_job([&](const World& world) -> int {
    const Prepared p = on_all_ranks(*world, [&] {
      if (line.cores && world->size() > 1) {
        throw io::ConfigError(
            to_text("profile: ", world->size(), " ranks: need one; for a rank's part of a batch set train.batch_size"));
      }
      return prepare(io::Config::load(line.config, line.overrides));
    });
    start_platform(*world, line, p.config.notes());
    check_agreement(*world, "profile", line, facts_of(p));
    ProfiledStep step(p.experiment, p.model, *p.train_data, world);
    const std::string text = line.cores ? step.on_cores(line.bandwidth) : step.profile(line.steps);
    if (world->rank() == 0) {
      std::cout << text << std::flush;
    }
    return kDone;
  });
}

int run_evaluate(const CommandLine& line) {
  return run_job([&](const World& world) -> int {
    io::Dump dump;
    const Prepared p = on_all_ranks(*world, [&] {
      if (!std::filesystem::exists(line.file)) {
        throw io::ConfigError(to_text(line.file, ": no such file: need a dump, as checkpoints/step-000003752.h5"));
      }
      dump = io::read_dump(line.file);
      check(!dump.config.empty(), line.file, ": holds no configuration: need a dump that 'backflow train' wrote");
      Prepared prepared = prepare(io::Config::parse(dump.config, line.file + ":/config", line.overrides), &dump);
      load_model(line.file, dump, *prepared.model.module);
      return prepared;
    });
    start_platform(*world, line, {});
    Facts facts = facts_of(p);
    facts.emplace_back("the dump", describe_dump(dump));
    check_agreement(*world, "evaluate", line, facts);
    const Evaluation result = evaluate(p.model, p.test_data, p.experiment.train.eval_batch_size, *world);
    if (world->rank() == 0) {
      std::cout << io::to_json({{"test_accuracy", result.accuracy},
                                {"test_loss", result.loss},
                                {"samples", p.test_data.size()},
                                {"step", dump.step},
                                {"epoch", dump.epoch}})
                << std::endl;
    }
    return kDone;
  });
}

int run_inspect(const CommandLine& line) {
  for (const std::string& file : {line.file, line.diff}) {
    if (!file.empty() && !std::filesystem::exists(file)) {
      throw io::ConfigError(to_text(file, ": no such file: need a dump, as checkpoints/step-000003752.h5"));
    }
  }
  if (line.diff.empty()) {
    std::cout << io::inspect_dump(line.file);
    return kDone;
  }
  const std::vector<io::DumpDifference> differences = io::diff_dumps(line.file, line.diff);
  for (const io::DumpDifference& difference : differences) {
    std::cout << difference.text() << '\n';
  }
  return differences.empty() ? kDone : kFailed;
}

int run_config(const CommandLine& line) {
  return run_job([&](const World& world) -> int {
    const Prepared p = on_all_ranks(*world, [&] { return prepare(io::Config::load(line.config, line.overrides)); });
    if (world->rank() == 0) {
      std::cout << p.config.resolved();
      for (const std::string& note : p.config.notes()) {
        std::cerr << "backflow: note: " << note << '\n';
      }
    }
    return kDone;
  });
}

int run_graph(const CommandLine& line) {
  return run_job([&](const World& world) -> int {
    const Prepared p = on_all_ranks(*world, [&] { return prepare(io::Config::load(line.config, line.overrides)); });
    if (world->rank() == 0) {
      write_graph(p, line.graph);
    }
    return kDone;
  });
}

int run_ops(const CommandLine& line) {
  const std::vector<OperatorFamily> families = find_operators(operator_registry(), line.op);
  std::cout << (line.markdown ? operators_markdown(families) : operators_text(families));
  return kDone;
}

int run_version() {
  for (const auto& [library, version] : versions()) {
    std::cout << library << ' ' << version << '\n';
  }
  std::cout << "instruction sets: oneDNN " << kernels::onednn_isa() << ", Highway " << kernels::instruction_set()
            << '\n';
  return kDone;
}

}  // namespace backflow::train
