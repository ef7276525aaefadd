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

optim::SGDOptions sgd(const io::Section& s) {
  optim::SGDOptions o(s.number("lr", kNotNegative));
  o.momentum(s.number("momentum", kNotNegative, o.momentum()));
  o.dampening(s.number("dampening", {}, o.dampening()));
  o.weight_decay(s.number("weight_decay", kNotNegative, o.weight_decay()));
  o.nesterov(s.boolean("nesterov", o.nesterov()));
  if (o.nesterov() && (o.momentum() == 0 || o.dampening() != 0)) {
    s.fail("nesterov", "'nesterov' in [optimizer]: need a momentum above 0 and no dampening");
  }
  return o;
}

/// Of Adam and AdamW.
template <class Options>
Options adam(const io::Section& s) {
  Options o;
  o.lr(s.number("lr", kNotNegative, o.lr()));
  const auto [beta1, beta2] = o.betas();
  const std::vector<double> betas = s.numbers("betas", {.at_least = 0, .below = 1}, std::vector{beta1, beta2});
  if (betas.size() != 2) {
    s.fail("betas", to_text("'betas' in [optimizer] has ", betas.size(), " elements: need two"));
  }
  o.betas({betas[0], betas[1]});
  o.eps(s.number("eps", kNotNegative, o.eps()));
  o.weight_decay(s.number("weight_decay", kNotNegative, o.weight_decay()));
  o.amsgrad(s.boolean("amsgrad", o.amsgrad()));
  return o;
}

optim::RMSpropOptions rmsprop(const io::Section& s) {
  optim::RMSpropOptions o;
  o.lr(s.number("lr", kNotNegative, o.lr()));
  o.alpha(s.number("alpha", kNotNegative, o.alpha()));
  o.eps(s.number("eps", kNotNegative, o.eps()));
  o.weight_decay(s.number("weight_decay", kNotNegative, o.weight_decay()));
  o.momentum(s.number("momentum", kNotNegative, o.momentum()));
  o.centered(s.boolean("centered", o.centered()));
  return o;
}

optim::AdagradOptions adagrad(const io::Section& s) {
  optim::AdagradOptions o;
  o.lr(s.number("lr", kNotNegative, o.lr()));
  o.lr_decay(s.number("lr_decay", kNotNegative, o.lr_decay()));
  o.weight_decay(s.number("weight_decay", kNotNegative, o.weight_decay()));
  o.initial_accumulator_value(s.number("initial_accumulator_value", kNotNegative, o.initial_accumulator_value()));
  o.eps(s.number("eps", kNotNegative, o.eps()));
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

/// The keys of one optimizer, besides its name.
std::vector<std::string> keys_of(const Known& known) {
  const io::Config blank = io::Config::blank();
  known.read(blank.root());
  return blank.asked();
}

/// Says of the keys that only other optimizers have whose they are.
void explain_foreign_keys(const io::Section& s, const Known& chosen) {
  const std::vector<std::string> own = keys_of(chosen);
  for (const std::string& key : s.keys()) {
    std::string others;
    for (const Known& known : kKnown) {
      const std::vector<std::string> keys = keys_of(known);
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
        others += to_text(others.empty() ? "\"" : ", \"", known.name, "\"");
      }
    }
    if (!others.empty() && std::find(own.begin(), own.end(), key) == own.end()) {
      s.explain(key, to_text("it is a key of ", others, ", not of \"", chosen.name, "\""));
    }
  }
}

}  // namespace

std::vector<std::string> optimizer_keys() {
  std::vector<std::string> all = {"name"};
  for (const Known& known : kKnown) {
    for (const std::string& key : keys_of(known)) {
      if (std::find(all.begin(), all.end(), key) == all.end()) {
        all.push_back(key);
      }
    }
  }
  return all;
}

OptimizerOptions read_optimizer(const io::Section& s) {
  std::vector<std::string> names;
  for (const Known& known : kKnown) {
    names.emplace_back(known.name);
  }
  const std::string name = s.choice("name", names, names.front());
  OptimizerOptions options;
  for (const Known& known : kKnown) {
    if (name == known.name) {
      explain_foreign_keys(s, known);
      options = known.read(s);
    }
  }
  options.name = name;
  options.groups = read_parameter_groups(s);
  return options;
}

}  // namespace backflow::train
