#include <backflow/train/commands.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include <backflow/distributed/sampler.h>
#include <backflow/io/atomic_file.h>
#include <backflow/io/dump.h>
#include <backflow/io/inspect.h>
#include <backflow/ops/kernels/loops.h>
#include <backflow/ops/kernels/versions.h>
#include <backflow/ops/random.h>
#include <backflow/ops/winograd.h>
#include <backflow/train/evaluation.h>
#include <backflow/train/graphviz.h>
#include <backflow/train/operators_text.h>
#include <backflow/train/platform.h>
#include <backflow/train/resume.h>
#include <backflow/train/step_graph.h>
#include <backflow/train/stop_signal.h>
#include <backflow/train/trainer.h>

namespace backflow::train {
namespace {

/// What every command on an experiment makes of it: all that can be checked before anything is computed.
struct Prepared {
  Experiment experiment;
  std::string resolved;
  std::optional<BatchMaker> train_data;
  BatchMaker test_data;
  Model model;
};

enum class Load { All, TestOnly };

Prepared prepare(const io::Config& config, Load load) {
  Experiment e = Experiment::read(config);
  e.check_files(config);
  const auto read = [&e](const std::string& images, const std::string& labels) {
    return BatchMaker(load_dataset(e.data.path(images), e.data.path(labels)), e.data, e.train.dtype);
  };
  std::optional<BatchMaker> train_data;
  if (load == Load::All) {
    train_data.emplace(read(e.data.train_images, e.data.train_labels));
  }
  BatchMaker test_data = read(e.data.test_images, e.data.test_labels);
  const Dataset& first = train_data ? train_data->dataset() : test_data.dataset();
  check(first.sample_shape() == test_data.dataset().sample_shape(), e.data.path(e.data.test_images),
        ": samples of shape ", test_data.dataset().sample_shape(), ", in ", e.data.path(e.data.train_images), " of ",
        first.sample_shape(), ": need one shape");
  manual_seed(static_cast<std::uint64_t>(e.seed));
  set_winograd(e.train.winograd);
  Model model = build_model(e.model, first.sample_shape(),
                            std::max(first.num_classes(), test_data.dataset().num_classes()), e.train.dtype);
  return {std::move(e), config.resolved(), std::move(train_data), std::move(test_data), std::move(model)};
}

/// Runs `body` with the communicator of the job. A rank that fails says so and ends the whole job: the others may be
/// waiting for it.
template <class Body>
int with_world(const Body& body) {
  io::start_hdf5();  // before MPI: later, its own start would call MPI from this thread
  const std::shared_ptr<distributed::Communicator> world = distributed::Communicator::world();
  try {
    return body(world);
  } catch (const std::exception& error) {
    const std::string rank = world->size() > 1 ? concat("rank ", world->rank(), ": ") : "";
    std::cerr << "backflow: error: " << rank << error.what() << std::endl;
    world->abort(kFailed);
    return kFailed;
  }
}

void print_plan(const Prepared& p, const distributed::Communicator& world, const Platform& platform) {
  std::int64_t count = 0;
  for (const auto& parameter : p.model.module->named_parameters()) {
    std::cout << "  " << parameter.key() << "  " << describe(parameter.value()) << '\n';
    count += parameter.value().numel();
  }
  const TrainOptions& t = p.experiment.train;
  const std::int64_t samples = p.train_data->dataset().size();
  distributed::SamplerOptions sampling;
  sampling.dataset_size = samples;
  sampling.batch_size = t.batch_size;
  sampling.drop_last = t.drop_last;
  const std::int64_t steps = distributed::ShardedSampler(sampling).steps_per_epoch();
  std::cout << count << " parameters\n"
            << samples << " samples, " << p.test_data.dataset().size() << " for testing\n"
            << t.epochs << " epochs of " << steps << " steps, " << t.batch_size << " samples a step on " << world.size()
            << (world.size() == 1 ? " rank\n" : " ranks\n") << platform.summary << '\n';
}

}  // namespace

int run_train(const CommandLine& line) {
  watch_stop_signals();
  const Prepared p = prepare(io::Config::load(line.config, line.overrides), Load::All);
  const std::string from = find_resume(line.resume, line.out);
  const io::Dump dump = from.empty() ? io::Dump() : io::read_dump(from);
  if (!from.empty()) {
    load_model(from, dump, *p.model.module);
  }
  return with_world([&](const auto& world) -> int {
    const Platform platform = set_up_platform(*world, line.threads);
    if (line.dry_run) {
      if (world->rank() == 0) {
        print_plan(p, *world, platform);
      }
      return kDone;
    }
    const Outcome outcome = train(p.experiment, p.model, *p.train_data, p.test_data,
                                  {.out = line.out,
                                   .resolved_config = p.resolved,
                                   .trace_steps = line.trace ? line.trace_steps : 0,
                                   .profile = line.profile,
                                   .verbosity = line.quiet ? Progress::Verbosity::Quiet : Progress::Verbosity::Normal,
                                   .resume = from.empty() ? nullptr : &dump},
                                  platform, world);
    world->barrier();
    return outcome == Outcome::Stopped ? kStopped : kDone;
  });
}

int run_evaluate(const CommandLine& line) {
  if (!std::filesystem::exists(line.file)) {
    throw io::ConfigError(concat(line.file, ": no such file: need a dump, as checkpoints/step-000003752.h5"));
  }
  const io::Dump dump = io::read_dump(line.file);
  check(!dump.config.empty(), line.file, ": holds no configuration: need a dump that 'backflow train' wrote");
  const Prepared p = prepare(io::Config::parse(dump.config, line.file + ":/config", line.overrides), Load::TestOnly);
  load_model(line.file, dump, *p.model.module);
  return with_world([&](const auto& world) -> int {
    set_up_platform(*world, line.threads);
    const Evaluation result = evaluate(p.model, p.test_data, p.experiment.train.eval_batch_size, *world);
    if (world->rank() == 0) {
      std::cout << io::to_json({{"test_accuracy", result.accuracy},
                                {"test_loss", result.loss},
                                {"samples", p.test_data.dataset().size()},
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
      throw io::ConfigError(concat(file, ": no such file: need a dump, as checkpoints/step-000003752.h5"));
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
  const Prepared p = prepare(io::Config::load(line.config, line.overrides), Load::All);
  if (distributed::environment_rank() == 0) {
    std::cout << p.resolved;
  }
  return kDone;
}

int run_graph(const CommandLine& line) {
  const Prepared p = prepare(io::Config::load(line.config, line.overrides), Load::All);
  if (distributed::environment_rank() != 0) {
    return kDone;
  }
  const StepGraph graph = observe_step(p.model, p.train_data->dataset().sample_shape(), p.experiment.train.batch_size,
                                       p.experiment.train.dtype);
  const std::string& title = p.experiment.name;
  if (line.graph.empty()) {
    std::cout << to_dot(graph, title);
  } else if (line.graph.ends_with(".json")) {
    io::write_file_atomically(line.graph, to_json(graph, title));
  } else {
    const std::string dot = to_dot(graph, title);
    io::write_file_atomically(line.graph, line.graph.ends_with(".svg") ? run_graphviz(dot, "svg") : dot);
  }
  return kDone;
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
