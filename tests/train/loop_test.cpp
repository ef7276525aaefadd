// The loop's parts: schedules as a configuration has them, groups of parameters, averages, what is best so far, initial
// values. Values of schedules are PyTorch's, see tests/nn/closed_form_lr_test.cpp.
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/nn/models.h>
#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/optim/adamw.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/loop/ema.h>
#include <backflow/train/loop/initial_values.h>
#include <backflow/train/loop/metric_watch.h>
#include <backflow/train/loop/name_pattern.h>
#include <backflow/train/loop/parameter_groups.h>
#include <backflow/train/loop/schedule.h>
#include <backflow/train/model/optimizer.h>

using namespace backflow;
using namespace backflow::train;

namespace {

ScheduleOptions schedule(const std::string& lines) {
  const io::Config config = io::Config::parse("[schedule]\n" + lines, "loop.toml");
  ScheduleOptions options = read_schedule(config.section("schedule"));
  config.check();
  return options;
}

optim::SGD sgd() { return {std::vector<Tensor>{zeros(1).requires_grad_()}, optim::SGDOptions(2.0).momentum(0.9)}; }

std::vector<double> lrs(const std::string& lines, const RunLength& run, std::int64_t steps) {
  optim::SGD optimizer = sgd();
  LrSchedule s(schedule(lines), optimizer, run);
  std::vector<double> all;
  for (std::int64_t t = 0; t < steps; ++t) {
    s.before_step(t);
    all.push_back(s.lr());
  }
  return all;
}

void check_near(const std::vector<double>& a, const std::vector<double>& b) {
  CAPTURE(a, b);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(std::abs(a[i] - b[i]) <= 1e-12);
  }
}

Evaluation loss_of(double loss) { return {.samples = 1, .metrics = {{"loss", loss}}, .classes = {}, .confusion = {}}; }

OptimizerOptions optimizer_options(const std::string& lines) {
  const io::Config config = io::Config::parse("[optimizer]\n" + lines, "loop.toml");
  return read_optimizer(config.section("optimizer"));
}

std::vector<std::string> names_of(const optim::OptimizerParamGroup& group, const nn::Module& module) {
  std::vector<std::string> names;
  for (const Tensor& parameter : group.params()) {
    for (const auto& item : module.named_parameters()) {
      if (&item.value().impl() == &parameter.impl()) {
        names.push_back(item.key());
      }
    }
  }
  return names;
}

nn::Sequential network() { return nn::Sequential(nn::Linear(2, 3), nn::BatchNorm1d(3), nn::Linear(3, 2)); }

}  // namespace

TEST_CASE("schedule: lengths are in epochs or steps, and a warm-up comes before") {
  const RunLength run{.steps_per_epoch = 4, .total_steps = 8};
  check_near(lrs("", run, 3), {2, 2, 2});
  check_near(lrs("name = 'linear'\nstart_factor = 1\nend_factor = 0", run, 9),
             {2, 1.75, 1.5, 1.25, 1, 0.75, 0.5, 0.25, 0});
  check_near(lrs("name = 'step'\nstep_size = 1\ngamma = 0.5", run, 9), {2, 2, 2, 2, 1, 1, 1, 1, 0.5});
  check_near(lrs("name = 'step'\nstep_size = 3\ngamma = 0.5\nunit = 'step'", run, 8), {2, 2, 2, 1, 1, 1, 0.5, 0.5});
  check_near(lrs("name = 'multi_step'\nmilestones = [0.5, 1.5]\ngamma = 0.5", run, 8), {2, 2, 1, 1, 1, 1, 0.5, 0.5});
  check_near(lrs("name = 'exponential'\ngamma = 0.5", run, 8), {2, 2, 2, 2, 1, 1, 1, 1});
  check_near(lrs("name = 'cosine'\nwarmup = 1\nwarmup_start = 0.2", run, 8),
             {0.4, 0.8, 1.2, 1.6, 2, 1 + std::sqrt(0.5), 1, 1 - std::sqrt(0.5)});
  check_near(lrs("name = 'polynomial'\nlength = 4\nunit = 'step'\npower = 2", run, 6),
             {2, 2 * 0.5625, 0.5, 0.125, 0, 0});
}

TEST_CASE("schedule: the peak of one cycle is the optimizer's learning rate") {
  check_near(lrs("name = 'one_cycle'", {.steps_per_epoch = 5, .total_steps = 10}, 10),
             {0.08, 1.04, 2, 1.9009692640269473, 1.6234913078995261, 1.2225240438725786, 0.7774839561274215,
              0.37651669210047395, 0.09903873597305257, 8e-06});
}

TEST_CASE("schedule: a chain, whose last part takes what is left") {
  const std::string chain =
      "name = 'chain'\nunit = 'step'\n[[schedule.chain]]\nname = 'linear'\nstart_factor = 0.5\nlength = 2\n"
      "[[schedule.chain]]\nname = 'constant'\nlength = 2\n[[schedule.chain]]\nname = 'polynomial'\n";
  check_near(lrs(chain, {.steps_per_epoch = 4, .total_steps = 8}, 9), {1, 1.5, 2, 2, 2, 1.5, 1, 0.5, 0});
  CHECK_THROWS_WITH(
      LrSchedule::check_lengths(schedule(chain), {.steps_per_epoch = 2, .total_steps = 4}),
      StartsWith("loop.toml:12:8: 'name' in [schedule.chain.2] is \"polynomial\": starts after step 4, the "
                 "run has 4"));
  CHECK_THROWS_WITH(LrSchedule::check_lengths(schedule("warmup = 3"), {.steps_per_epoch = 2, .total_steps = 4}),
                    StartsWith("loop.toml:2:10: 'warmup' in [schedule] takes 6 steps, the run has 4"));
}

TEST_CASE("schedule: momentum goes against the learning rate of one cycle, if asked to") {
  optim::SGD optimizer = sgd();
  LrSchedule s(schedule("name = 'one_cycle'\ncycle_momentum = true"), optimizer,
               {.steps_per_epoch = 5, .total_steps = 10});
  s.before_step(2);
  CHECK_THAT(*optim::momentum_of(optimizer.param_groups()[0].options()), WithinRel(0.85, 1e-12));
}

TEST_CASE("schedule: a plateau lowers the learning rate, and goes on from its state") {
  const ScheduleOptions options = schedule(
      "name = 'plateau'\nfactor = 0.5\npatience = 1\nunit = 'step'\nwarmup = 2\n"
      "warmup_start = 0.5");
  const RunLength run{.steps_per_epoch = 1, .total_steps = 100};
  const std::vector<double> losses = {1, 0.9, 0.95, 0.95, 0.8, 0.9, 0.9, 0.9, 0.9};
  optim::SGD first = sgd();
  optim::SGD second = sgd();
  LrSchedule whole(options, first, run);
  auto part = std::make_unique<LrSchedule>(options, second, run);
  std::vector<double> all;
  for (std::size_t t = 0; t < losses.size(); ++t) {
    if (t == 3) {  // goes on from a dump
      LoopState state;
      part->save(state, "");
      optim::SGD fresh = sgd();
      part = std::make_unique<LrSchedule>(options, second, run);
      part->load(LoopState(state.values()), "");
    }
    for (LrSchedule* s : {&whole, part.get()}) {
      s->before_step(static_cast<std::int64_t>(t));
      s->after_evaluation(loss_of(losses[t]));
    }
    whole.before_step(static_cast<std::int64_t>(t) + 1);
    part->before_step(static_cast<std::int64_t>(t) + 1);
    all.push_back(whole.lr());
    CHECK(part->lr() == whole.lr());
  }
  check_near(all, {1.5, 2, 2, 1, 1, 1, 0.5, 0.5, 0.25});
}

TEST_CASE("schedule: wrong keys are found") {
  CHECK_THROWS_WITH(schedule("name = 'cosin'"), StartsWith("loop.toml:2:8: 'name' in [schedule] is \"cosin\""));
  CHECK_THROWS_WITH(schedule("name = 'chain'"), StartsWith("loop.toml:2:1: no parts in [schedule]") ||
                                                    StartsWith("loop.toml:1:1: no parts in [schedule]"));
  CHECK_THROWS_AS(schedule("name = 'step'\nstep_size = 0"), io::ConfigError);
}

TEST_CASE("metric watch: better is lower or higher by more than a difference, NaN is worse than all") {
  MetricWatch low("loss", Better::Lower, 0.1);
  CHECK(low.update(loss_of(1), 10));
  CHECK_FALSE(low.update(loss_of(0.95), 20));
  CHECK_FALSE(low.update(loss_of(std::numeric_limits<double>::quiet_NaN()), 30));
  CHECK(low.bad() == 2);
  LoopState state;
  low.save(state, "x");
  MetricWatch again("loss", Better::Lower, 0.1);
  again.load(LoopState(state.values()), "x");
  CHECK(again.best() == 1.0);
  CHECK(again.bad() == 2);
  CHECK(again.best_step() == 10);
  CHECK(again.update(loss_of(0.8), 40));
  CHECK(again.bad() == 0);
  MetricWatch high("loss", Better::Higher);
  CHECK(high.update(loss_of(1), 1));
  CHECK_FALSE(high.update(loss_of(1), 2));
  CHECK(high.update(loss_of(2), 3));
}

TEST_CASE("name pattern: stars and question marks") {
  CHECK(matches("fc1.bias", "*.bias"));
  CHECK(matches("a.b.c", "a*c"));
  CHECK(matches("a.b.c", "*"));
  CHECK(matches("abcbc", "a*bc"));
  CHECK(matches("a1", "a?"));
  CHECK_FALSE(matches("a", "a?"));
  CHECK_FALSE(matches("fc1.bias2", "*.bias"));
  CHECK_FALSE(matches("", "?"));
  CHECK(matches("", "*"));
}

TEST_CASE("parameter groups: the first pattern that fits takes a parameter") {
  const nn::Sequential net = network();
  const OptimizerOptions options = optimizer_options(
      "name = 'adamw'\nlr = 0.5\nweight_decay = 0.1\n[[optimizer.groups]]\nmatch = ['2.*']\nlr_factor = 0.1\n"
      "[[optimizer.groups]]\nmax_dims = 1\nweight_decay = 0\n");
  freeze_parameters(options, *net);
  const auto optimizer = make_optimizer(options, net->named_parameters());
  const auto& groups = optimizer->param_groups();
  REQUIRE(groups.size() == 3);
  using Names = std::vector<std::string>;
  CHECK(names_of(groups[0], *net) == Names{"0.weight"});
  CHECK(names_of(groups[1], *net) == Names{"2.weight", "2.bias"});
  CHECK(names_of(groups[2], *net) == Names{"0.bias", "1.weight", "1.bias"});
  const auto decay = [&](std::size_t i) {
    return dynamic_cast<const optim::AdamWOptions&>(groups[i].options()).weight_decay();
  };
  CHECK((decay(0) == 0.1 && decay(1) == 0.1 && decay(2) == 0));
  CHECK_THAT(groups[1].options().get_lr(), WithinRel(0.05, 1e-12));
  CHECK(groups[2].options().get_lr() == 0.5);
}

TEST_CASE("parameter groups: frozen ones are in no group, and mistakes are found") {
  const nn::Sequential net = network();
  const OptimizerOptions options = optimizer_options("lr = 1\n[[optimizer.groups]]\nmatch = ['0.*']\nfrozen = true");
  freeze_parameters(options, *net);
  CHECK_FALSE(net->named_parameters()["0.weight"].requires_grad());
  CHECK(make_optimizer(options, net->named_parameters())->size() == 4);
  CHECK_THROWS_WITH(
      freeze_parameters(optimizer_options("lr = 1\n[[optimizer.groups]]\nmatch = ['*.bais']"), *network()),
      StartsWith("loop.toml:4:9: 'match' in [optimizer.groups.0]: takes no parameter"));
  CHECK_THROWS_WITH(freeze_parameters(optimizer_options("lr = 1\n[[optimizer.groups]]\nfrozen = true"), *network()),
                    StartsWith("loop.toml:4:10: 'frozen' in [optimizer.groups.0]: no parameter is left to train"));
}

TEST_CASE("ema: averages follow the weights, and both go on from a dump") {
  const nn::Linear net(1, 1);
  const NoGradGuard no_grad;
  net->weight.fill_(1);
  net->bias.fill_(0);
  Ema ema({.decay = 0.75, .warmup = false}, *net);
  net->weight.fill_(3);
  ema.update(1);
  {
    const AveragedWeights averaged(ema);
    CHECK(net->weight.item<float>() == 1.5F);
  }
  CHECK(net->weight.item<float>() == 3);
  io::Dump dump;
  dump.parameters = {{"weight", net->weight}, {"bias", net->bias}};
  ema.save(dump);
  CHECK(dump.parameters[0].second.item<float>() == 1.5F);
  CHECK(dump.trained[0].second.item<float>() == 3);
  Ema again({.decay = 0.75, .warmup = false}, *net);
  again.load(dump);
  again.update(2);
  again.swap();
  CHECK(net->weight.item<float>() == 1.875F);
  Ema warm({.decay = 0.75, .warmup = true}, *net);  // starts with 1.875
  net->weight.fill_(0);
  warm.update(0);  // with a decay of 0.1
  warm.swap();
  CHECK_THAT(net->weight.item<float>(), WithinRel(0.1875F, 1e-6F));
}

TEST_CASE("initial values: what fits is loaded, all else is told") {
  const nn::Sequential net = network();
  const Tensor before = clone(net->named_parameters()["0.weight"].detach());
  const io::NamedTensors file = {{"0.weight", zeros(DimVector{5, 2})},
                                 {"0.bias", full(DimVector{3}, 2.0, kFloat64)},
                                 {"1.running_mean", full(DimVector{3}, 4.0, kFloat32)},
                                 {"2.bias", zeros(DimVector{2})},
                                 {"head.weight", zeros(DimVector{2})}};
  const InitReport report = load_initial_values(file, {"2.*"}, *net);
  using Names = std::vector<std::string>;
  CHECK(report.loaded == Names{"0.bias", "1.running_mean"});
  CHECK(report.mismatched == Names{"0.weight: f32[3, 2], in the file f32[5, 2]"});
  CHECK(report.unexpected == Names{"head.weight"});
  CHECK(report.excluded == Names{"2.weight", "2.bias"});
  CHECK(report.missing == Names{"1.weight", "1.bias", "1.running_var", "1.num_batches_tracked"});
  CHECK(net->named_parameters()["0.bias"].const_data_ptr<float>()[1] == 2);
  CHECK(net->named_buffers()["1.running_mean"].const_data_ptr<float>()[0] == 4);
  CHECK((net->named_parameters()["0.weight"].detach() == before).all().item<bool>());
  CHECK_THAT(report.text("a.h5"),
             ContainsSubstring("2 tensors loaded") && ContainsSubstring("\n  mismatched (1): 0.weight: f32[3, 2]"));
}
