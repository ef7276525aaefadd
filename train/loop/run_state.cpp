#include <backflow/train/loop/run_state.h>

#include <utility>

#include <backflow/io/versions.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/model/model_dump.h>
#include <backflow/train/run/replicas.h>
#include <backflow/train/run/run_position.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {

void RunState::load(const io::Dump& start) {
  run_on_all_ranks(world_, [&] {
    parts_.step.load_state(start);
    parts_.control.load(start);
  });
}

io::Dump RunState::own() const {
  io::Dump dump = make_dump(*parts_.model.module);
  for (const optim::Optimizer* optimizer : parts_.step.optimizers()) {
    append_optimizer_state(*optimizer, *parts_.model.module, dump.optimizer);
  }
  dump.step = parts_.clock.step();
  return dump;
}

io::Dump RunState::full() {
  check_replicas();
  io::NamedTensors optimizer = parts_.step.optimizer_state();
  if (world_.rank() != 0) {
    return {};
  }
  io::Dump dump = without_optimizer();
  dump.optimizer = std::move(optimizer);
  check_finite(dump);
  return dump;
}

io::Dump RunState::shared() const {
  io::Dump dump = without_optimizer();
  if (!experiment_.distributed.shard_optimizer) {
    for (const optim::Optimizer* optimizer : parts_.step.optimizers()) {
      append_optimizer_state(*optimizer, *parts_.model.module, dump.optimizer);
    }
  }
  return dump;
}

io::SharedDump RunState::share() {
  check_replicas();
  io::SharedDump share{{}, parts_.step.optimizer_shares()};
  run_on_all_ranks(world_, [&] {
    share.dump = without_optimizer();
    io::Dump own = world_.rank() == 0 ? share.dump : io::Dump();  // what all have, one looks at
    own.step = share.dump.step;
    for (const io::TensorShare& x : share.optimizer) {
      own.optimizer.emplace_back(x.name, x.elements);
    }
    check_finite(own);
  });
  return share;
}

io::Dump RunState::without_optimizer() const {
  io::Dump dump = make_dump(*parts_.model.module);
  dump.step = parts_.clock.step();
  dump.epoch = parts_.clock.epochs_done();
  parts_.control.save(dump);
  set_position(dump, parts_.clock.position(), parts_.sampler);
  dump.config = options_.resolved_config;
  dump.train_data = options_.train_data;
  dump.test_data = options_.test_data;
  dump.versions = versions();
  return dump;
}

void RunState::check_replicas() {
  const std::int64_t step = parts_.clock.step();
  if (experiment_.distributed.check_every > 0 && checked_ != step && world_.size() > 1) {
    const trace::Span span("check replicas");
    train::check_replicas(world_, step, parts_.step.replica());
    checked_ = step;
  }
}

}  // namespace backflow::train
