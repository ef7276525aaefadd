#include <backflow/train/model/optimizer.h>

#include <algorithm>
#include <utility>

#include <backflow/nn/optim/adagrad.h>
#include <backflow/nn/optim/adam.h>
#include <backflow/nn/optim/adamw.h>
#include <backflow/nn/optim/rmsprop.h>
#include <backflow/nn/optim/sgd.h>

namespace backflow::train {
namespace {

constexpr io::NumberRange kNotNegative{.at_least = 0};

const io::Key kLr("lr", "learning rate");
const io::Key kWeightDecay("weight_decay", "this many times the parameter is added to its gradient");
const io::Key kMomentum("momentum", "share of the last update that goes on");
const io::Key kEps("eps", "added to the denominator, against division by zero");

optim::SGDOptions sgd(const io::Section& s) {
  optim::SGDOptions o(s.number(kLr, kNotNegative));
  o.momentum(s.number(kMomentum, kNotNegative, o.momentum()));
  o.dampening(s.number({"dampening", "share of a gradient that momentum leaves out"}, {}, o.dampening()));
  o.weight_decay(s.number(kWeightDecay, kNotNegative, o.weight_decay()));
  o.nesterov(s.boolean({"nesterov", "Nesterov's momentum; needs a momentum above 0 and no dampening"}, o.nesterov()));
  if (o.nesterov() && (o.momentum() == 0 || o.dampening() != 0)) {
    s.report("nesterov", "'nesterov' in [optimizer]: need a momentum above 0 and no dampening");
  }
  return o;
}

/// Of Adam and AdamW.
template <class Options>
Options adam(const io::Section& s) {
  Options o;
  o.lr(s.number(kLr, kNotNegative, o.lr()));
  const auto [beta1, beta2] = o.betas();
  const std::vector<double> betas =
      s.numbers({"betas", "how much of the running means of gradients and of their squares stays"},
                {.at_least = 0, .below = 1}, std::vector{beta1, beta2});
  if (betas.size() != 2) {
    s.report("betas", to_text("'betas' in [optimizer] has ", betas.size(), " elements: need two"));
  } else {
    o.betas({betas[0], betas[1]});
  }
  o.eps(s.number(kEps, kNotNegative, o.eps()));
  o.weight_decay(s.number(kWeightDecay, kNotNegative, o.weight_decay()));
  o.amsgrad(s.boolean({"amsgrad", "divide by the largest second moment so far"}, o.amsgrad()));
  return o;
}

optim::RMSpropOptions rmsprop(const io::Section& s) {
  optim::RMSpropOptions o;
  o.lr(s.number(kLr, kNotNegative, o.lr()));
  o.alpha(s.number({"alpha", "how much of the running mean of squared gradients stays"}, kNotNegative, o.alpha()));
  o.eps(s.number(kEps, kNotNegative, o.eps()));
  o.weight_decay(s.number(kWeightDecay, kNotNegative, o.weight_decay()));
  o.momentum(s.number(kMomentum, kNotNegative, o.momentum()));
  o.centered(s.boolean({"centered", "divide by the running variance, not by the mean of squares"}, o.centered()));
  return o;
}

optim::AdagradOptions adagrad(const io::Section& s) {
  optim::AdagradOptions o;
  o.lr(s.number(kLr, kNotNegative, o.lr()));
  o.lr_decay(s.number({"lr_decay", "how fast the learning rate falls with the steps"}, kNotNegative, o.lr_decay()));
  o.weight_decay(s.number(kWeightDecay, kNotNegative, o.weight_decay()));
  o.initial_accumulator_value(
      s.number({"initial_accumulator_value", "the sum of squared gradients before the first step"}, kNotNegative,
               o.initial_accumulator_value()));
  o.eps(s.number(kEps, kNotNegative, o.eps()));
  return o;
}

// How many tensors of the size of a parameter an optimizer keeps for each.

std::int64_t state_tensors(const optim::SGDOptions& o) { return o.momentum() != 0 ? 1 : 0; }
template <class Options>
requires requires(const Options& o) { o.amsgrad(); }
std::int64_t state_tensors(const Options& o) { return o.amsgrad() ? 3 : 2; }
std::int64_t state_tensors(const optim::RMSpropOptions& o) {
  return 1 + (o.momentum() != 0 ? 1 : 0) + (o.centered() ? 1 : 0);
}
std::int64_t state_tensors(const optim::AdagradOptions&) { return 1; }

template <class Optimizer, auto kRead>
OptimizerOptions read(const io::Section& s) {
  const auto options = kRead(s);
  return {.name = "",
          .lr = options.lr(),
          .state_tensors = state_tensors(options),
          .make =
              [options](std::vector<Tensor> parameters) {
                return std::make_unique<Optimizer>(std::move(parameters), options);
              },
          .make_options =
              [options](double lr_factor, std::optional<double> weight_decay) {
                auto own = options;
                own.lr(options.lr() * lr_factor);
                own.weight_decay(weight_decay.value_or(options.weight_decay()));
                return own.clone();
              },
          .groups = {}};
}

/// A name in a configuration, and what reads the keys that belong to it.
struct Known {
  const char* name;
  OptimizerOptions (*read)(const io::Section&);
};

constexpr Known kKnown[] = {{"sgd", read<optim::SGD, sgd>},
                            {"adam", read<optim::Adam, adam<optim::AdamOptions>>},
                            {"adamw", read<optim::AdamW, adam<optim::AdamWOptions>>},
                            {"rmsprop", read<optim::RMSprop, rmsprop>},
                            {"adagrad", read<optim::Adagrad, adagrad>}};

}  // namespace

OptimizerOptions read_optimizer(const io::Section& s) {
  std::vector<std::string> names;
  for (const Known& known : kKnown) {
    names.emplace_back(known.name);
  }
  const std::string name = s.choice({"name", "the method"}, names, names.front());
  OptimizerOptions options;
  for (const Known& known : kKnown) {
    if (name == known.name) {
      options = known.read(s);
    }
  }
  options.name = name;
  options.groups = read_parameter_groups(s);
  return options;
}

}  // namespace backflow::train
