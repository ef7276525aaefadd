// load_state_dict() of modules, optimizers and schedulers.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/nn/optim/schedulers/cosine_annealing_lr.h>
#include <backflow/nn/optim/schedulers/exponential_lr.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/error_of.h>

using namespace backflow;
using backflow::test::error_of;
using Strings = std::vector<std::string>;
using Dict = OrderedDict<std::string, Tensor>;

namespace {

struct Made {
  std::string name;
  std::function<std::unique_ptr<optim::Optimizer>(std::vector<Tensor>)> make;
};

std::vector<Made> optimizers() {
  using namespace optim;
  using Params = std::vector<Tensor>;
  return {
      {"SGD",
       [](Params p) { return std::make_unique<SGD>(std::move(p), SGDOptions(0.1).momentum(0.9).nesterov(true)); }},
      {"plain SGD", [](Params p) { return std::make_unique<SGD>(std::move(p), SGDOptions(0.1)); }},
      {"Adam", [](Params p) { return std::make_unique<Adam>(std::move(p), AdamOptions(0.01).amsgrad(true)); }},
      {"AdamW",
       [](Params p) {
         return std::make_unique<AdamW>(std::move(p), AdamWOptions(0.01).betas({0.8, 0.99}));
       }},
      {"RMSprop",
       [](Params p) {
         return std::make_unique<RMSprop>(std::move(p), RMSpropOptions(0.01).momentum(0.5).centered(true));
       }},
      {"Adagrad", [](Params p) { return std::make_unique<Adagrad>(std::move(p), AdagradOptions(0.1).lr_decay(0.01)); }},
  };
}

void train(nn::Sequential& net, optim::Optimizer& optimizer, int steps) {
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    net->forward(full({4, 3}, 0.5 + i)).pow(2).mean().backward();
    optimizer.step();
  }
}

nn::Sequential small_net() { return nn::Sequential(nn::Linear(3, 4), nn::Tanh(), nn::Linear(4, 1)); }

}  // namespace

TEST_CASE("state_dict: a module reports what is missing, unexpected and mismatched", "[nn]") {
  nn::Linear net(2, 3);
  const Dict before{{"weight", net->weight.detach().clone()}, {"bias", net->bias.detach().clone()}};
  const Dict dict{{"weight", ones({3, 2})}, {"bias", ones({4})}, {"scale", ones({1})}};
  CHECK(error_of([&] { net->load_state_dict(dict); }) ==
        "Linear: load_state_dict: 2 names do not fit: unexpected 'scale'; mismatched 'bias' (f32[4] given, need "
        "f32[3]): need the same names and shapes");
  CHECK(equal(net->weight, before["weight"]));  // nothing has changed

  const LoadReport report = net->load_state_dict(dict, false);
  CHECK(report.missing.empty());
  CHECK(report.unexpected == Strings{"scale"});
  REQUIRE(report.mismatched.size() == 1);
  CHECK(report.mismatched[0].name == "bias");
  CHECK(!report.fits());
  CHECK(equal(net->weight, ones({3, 2})));  // what fits is loaded
  CHECK(equal(net->bias, before["bias"]));
  CHECK(net->load_state_dict({{"weight", ones({3, 2})}}, false).missing == Strings{"bias"});
  CHECK(net->load_state_dict(before).fits());
  CHECK(net->weight.requires_grad());
}

TEST_CASE("state_dict: num_batches_tracked may be missing, as in files of PyTorch before 0.4.1", "[nn]") {
  nn::BatchNorm1d norm(2);
  norm->forward(randn({4, 2}));
  Dict dict;
  for (const auto& item : norm->state_dict()) {
    if (item.key() != "num_batches_tracked") dict.insert(item.key(), item.value().detach().clone());
  }
  CHECK(norm->load_state_dict(dict).fits());
  CHECK(norm->num_batches_tracked.item<std::int64_t>() == 0);
}

TEST_CASE("state_dict: every optimizer goes on with the same bits", "[nn]") {
  for (const Made& made : optimizers()) {
    INFO(made.name);
    nn::Sequential net = small_net();
    const auto optimizer = made.make(net->parameters());
    train(net, *optimizer, 3);
    nn::Sequential copy = small_net();
    copy->load_state_dict(net->state_dict());
    const auto other = made.make(copy->parameters());
    other->param_groups()[0].options().set_lr(5);
    CHECK(other->load_state_dict(optimizer->state_dict()).fits());
    CHECK(other->param_groups()[0].options().get_lr() == optimizer->param_groups()[0].options().get_lr());
    train(net, *optimizer, 3);
    train(copy, *other, 3);
    for (std::size_t i = 0; i < 4; ++i) CHECK(equal(net->parameters()[i], copy->parameters()[i]));
  }
}

TEST_CASE("state_dict: an optimizer reports what does not fit, and changes nothing", "[nn]") {
  nn::Sequential net = small_net();
  optim::Adam adam(net->parameters(), optim::AdamOptions(0.01));
  train(net, adam, 1);
  const Dict good = adam.state_dict();
  CHECK(good.contains("state.0.exp_avg"));
  CHECK(good["state.3.step"].item<std::int64_t>() == 1);
  CHECK(good["param_groups.0.betas.1"].item<double>() == 0.999);
  CHECK(good["param_groups.0.params.3"].item<std::int64_t>() == 3);

  Dict bad;
  for (const auto& item : good) {
    if (item.key() == "state.0.exp_avg") continue;
    const Tensor value = item.key() == "state.1.exp_avg" ? ones({9}) : item.value();
    bad.insert(item.key(), item.key() == "param_groups.0.lr" ? full({}, 0.5, kFloat64) : value);
  }
  bad.insert("state.9.exp_avg", ones({1}));
  bad.insert("param_groups.0.foreach", zeros({}, kBool));  // of PyTorch: how, not what
  const std::string error = error_of([&] { adam.load_state_dict(bad); });
  CHECK(error.find(
            "missing 'state.0.exp_avg'; unexpected 'state.9.exp_avg'; mismatched 'state.1.exp_avg' (f32[9] given") !=
        std::string::npos);
  CHECK(adam.param_groups()[0].options().get_lr() == 0.01);
  CHECK(equal(adam.state_dict()["state.2.exp_avg"], good["state.2.exp_avg"]));

  const LoadReport report = adam.load_state_dict(bad, false);
  CHECK(!report.fits());
  CHECK(adam.param_groups()[0].options().get_lr() == 0.5);

  optim::SGD sgd(net->parameters(), optim::SGDOptions(0.1));
  CHECK(error_of([&] { sgd.load_state_dict(good); }).find("missing 'param_groups.0.momentum'") != std::string::npos);
  Dict out_of_range = adam.state_dict();
  Dict negative;
  for (const auto& item : out_of_range) {
    negative.insert(item.key(), item.key() == "param_groups.0.lr" ? full({}, -1, kFloat64) : item.value());
  }
  CHECK(error_of([&] { adam.load_state_dict(negative, false); }) != "no error");
  CHECK(adam.param_groups()[0].options().get_lr() == 0.5);
}

TEST_CASE("state_dict: schedulers go on where they were", "[nn]") {
  const auto rates_of = [](auto make, bool split) {
    Tensor x = ones({1}).requires_grad_(true);
    optim::SGD optimizer({x}, optim::SGDOptions(0.1));
    std::vector<double> rates;
    auto scheduler = make(optimizer);
    for (int i = 0; i < 8; ++i) {
      if (split && i == 4) {
        optim::SGD other({x}, optim::SGDOptions(1.0));
        auto fresh = make(other);
        other.load_state_dict(optimizer.state_dict());
        fresh->load_state_dict(scheduler->state_dict());
        for (; i < 8; ++i) {
          fresh->step();
          rates.push_back(other.param_groups()[0].options().get_lr());
        }
        return rates;
      }
      scheduler->step();
      rates.push_back(optimizer.param_groups()[0].options().get_lr());
    }
    return rates;
  };
  const auto step = [](optim::Optimizer& o) { return std::make_unique<optim::StepLR>(o, 3, 0.5); };
  const auto cosine = [](optim::Optimizer& o) { return std::make_unique<optim::CosineAnnealingLR>(o, 8); };
  const auto power = [](optim::Optimizer& o) { return std::make_unique<optim::ExponentialLR>(o, 0.9); };
  CHECK(rates_of(step, true) == rates_of(step, false));
  CHECK(rates_of(cosine, true) == rates_of(cosine, false));
  CHECK(rates_of(power, true) == rates_of(power, false));

  Tensor x = ones({1}).requires_grad_(true);
  optim::SGD optimizer({x}, optim::SGDOptions(0.1));
  optim::CosineAnnealingLR scheduler(optimizer, 8);
  CHECK(scheduler.state_dict().keys() == Strings{"base_lrs.0", "last_epoch", "_step_count", "_last_lr.0"});
  CHECK(
      error_of([&] {
        scheduler.load_state_dict({{"last_epoch", full({}, -1, kInt64)}});
      }) ==
      "lr_scheduler: load_state_dict: 2 names do not fit: missing 'base_lrs.0'; mismatched 'last_epoch' (i64[] given, "
      "need a whole number >= 0): need the same names and shapes");
  CHECK(scheduler.last_epoch() == 0);
}

TEST_CASE("state_dict: ReduceLROnPlateau keeps its best metric and its patience", "[nn]") {
  Tensor x = ones({1}).requires_grad_(true);
  optim::SGD optimizer({x}, optim::SGDOptions(1.0));
  using Plateau = optim::ReduceLROnPlateauScheduler;
  Plateau plateau(optimizer, Plateau::min, 0.5, 1);
  plateau.step(1.0);
  plateau.step(2.0);
  Plateau other(optimizer, Plateau::min, 0.5, 1);
  other.load_state_dict(plateau.state_dict());
  other.step(2.0);
  CHECK(optimizer.param_groups()[0].options().get_lr() == 0.5);
  CHECK(error_of([&] { other.load_state_dict({}); }).find("missing 'best', 'num_bad_epochs', 'cooldown_counter'") !=
        std::string::npos);
}
