#include <backflow/train/loop/schedule_options.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <backflow/nn/optim/schedulers/constant_lr.h>
#include <backflow/nn/optim/schedulers/cosine_annealing_lr.h>
#include <backflow/nn/optim/schedulers/cosine_annealing_warm_restarts.h>
#include <backflow/nn/optim/schedulers/lambda_lr.h>
#include <backflow/nn/optim/schedulers/linear_lr.h>
#include <backflow/nn/optim/schedulers/multi_step_lr.h>
#include <backflow/nn/optim/schedulers/one_cycle_lr.h>
#include <backflow/nn/optim/schedulers/polynomial_lr.h>

namespace backflow::train {
namespace {

using optim::ClosedFormLR;
using optim::Optimizer;
using Curve = std::unique_ptr<ClosedFormLR>;
using Make = decltype(SchedulePhase::make);

constexpr io::NumberRange kLr{.at_least = 0, .at_most = 1e30};
constexpr io::NumberRange kLength{.above = 0, .at_most = 1e12};
constexpr io::NumberRange kGamma{.at_least = 0, .at_most = 1e6};
constexpr io::NumberRange kFactor{.at_least = 0, .at_most = 1};

/// A length in units as whole steps, 1 or more.
std::int64_t steps_of(double length, double unit_steps) {
  return std::max<std::int64_t>(1, std::llround(length * unit_steps));
}

Make constant(const io::Section&) {
  return [](Optimizer& o, std::int64_t, double) -> Curve { return std::make_unique<optim::ConstantLR>(o, 1.0, 0); };
}

Make cosine(const io::Section& s) {
  const double min_lr = s.number({"min_lr", "learning rate at the end of a cosine"}, kLr, 0.0);
  return [=](Optimizer& o, std::int64_t steps, double) -> Curve {
    return std::make_unique<optim::CosineAnnealingLR>(o, steps, min_lr);
  };
}

Make cosine_restarts(const io::Section& s) {
  const double min_lr = s.number({"min_lr", "learning rate at the end of a cosine"}, kLr, 0.0);
  const double period = s.number({"period", "length of the first cosine"}, kLength);
  const std::int64_t factor =
      s.integer({"period_factor", "each further cosine is so many times as long as the one before"},
                {.at_least = 1, .at_most = 1000}, 1);
  return [=](Optimizer& o, std::int64_t, double unit) -> Curve {
    return std::make_unique<optim::CosineAnnealingWarmRestarts>(o, steps_of(period, unit), factor, min_lr);
  };
}

Make one_cycle(const io::Section& s) {
  optim::OneCycleLROptions options;
  options.pct_start = s.number({"pct_start", "part of the steps in which the learning rate rises"}, kFactor, 0.3);
  options.linear = s.choice({"anneal", "shape of the rise and the fall"}, {"cosine", "linear"}, "cosine") == "linear";
  options.div_factor =
      s.number({"div_factor", "it starts with the optimizer's `lr`, the peak, divided by this"}, {.above = 0}, 25.0);
  options.final_div_factor =
      s.number({"final_div_factor", "it ends with the first learning rate divided by this"}, {.above = 0}, 1e4);
  options.three_phase =
      s.boolean({"three_phase", "fall back to the first learning rate as long as it rose, and then to the end"}, false);
  options.cycle_momentum =
      s.boolean({"cycle_momentum", "move the momentum, or Adam's first beta, the other way"}, false);
  options.base_momentum = s.number({"base_momentum", "momentum at the peak"}, {.at_least = 0, .below = 1}, 0.85);
  options.max_momentum = s.number({"max_momentum", "momentum at both ends"}, {.at_least = 0, .below = 1}, 0.95);
  return [=](Optimizer& o, std::int64_t steps, double) -> Curve {
    std::vector<double> peaks;
    for (const optim::OptimizerParamGroup& group : o.param_groups()) {
      peaks.push_back(group.initial_lr().value_or(group.options().get_lr()));
    }
    return std::make_unique<optim::OneCycleLR>(o, peaks, steps, options);
  };
}

Make step(const io::Section& s) {
  const double size = s.number({"step_size", "length after which the learning rate changes, again and again"}, kLength);
  const double gamma = s.number({"gamma", "what the learning rate is multiplied by"}, kGamma, 0.1);
  return [=](Optimizer& o, std::int64_t, double unit) -> Curve {
    const std::int64_t every = steps_of(size, unit);
    return std::make_unique<optim::LambdaLR>(
        o, [=](std::int64_t t) { return std::pow(gamma, static_cast<double>(t / every)); });
  };
}

Make multi_step(const io::Section& s) {
  const std::vector<double> milestones =
      s.numbers({"milestones", "places, from the start of the schedule, where the learning rate changes"}, kLength);
  const double gamma = s.number({"gamma", "what the learning rate is multiplied by"}, kGamma, 0.1);
  return [=](Optimizer& o, std::int64_t, double unit) -> Curve {
    std::vector<std::int64_t> at;
    for (const double milestone : milestones) {
      at.push_back(steps_of(milestone, unit));
    }
    return std::make_unique<optim::MultiStepLR>(o, at, gamma);
  };
}

Make exponential(const io::Section& s) {
  const double gamma =
      s.number({"gamma", "what the learning rate is multiplied by after every epoch, or step"}, kGamma);
  return [=](Optimizer& o, std::int64_t, double unit) -> Curve {
    return std::make_unique<optim::LambdaLR>(
        o, [=](std::int64_t t) { return std::pow(gamma, std::floor(static_cast<double>(t) / unit)); });
  };
}

Make linear(const io::Section& s) {
  const double start =
      s.number({"start_factor", "part of the optimizer's `lr` at the start"}, {.above = 0, .at_most = 1}, 1.0 / 3);
  const double end = s.number({"end_factor", "part of the optimizer's `lr` at the end"}, kFactor, 1.0);
  return [=](Optimizer& o, std::int64_t steps, double) -> Curve {
    return std::make_unique<optim::LinearLR>(o, start, end, steps);
  };
}

Make polynomial(const io::Section& s) {
  const double power = s.number({"power", "power of the steps that are left"}, {.above = 0, .at_most = 1000}, 1.0);
  return [=](Optimizer& o, std::int64_t steps, double) -> Curve {
    return std::make_unique<optim::PolynomialLR>(o, steps, power);
  };
}

/// A name in a configuration, and what reads the keys that belong to it.
struct Known {
  const char* name;
  Make (*read)(const io::Section&);
};

constexpr Known kCurves[] = {
    {"constant", constant},    {"linear", linear}, {"cosine", cosine},         {"cosine_restarts", cosine_restarts},
    {"one_cycle", one_cycle},  {"step", step},     {"multi_step", multi_step}, {"exponential", exponential},
    {"polynomial", polynomial}};

std::vector<std::string> curve_names() {
  std::vector<std::string> names;
  for (const Known& known : kCurves) {
    names.emplace_back(known.name);
  }
  return names;
}

SchedulePhase read_phase(const io::Section& s, const std::string& name) {
  SchedulePhase phase{.name = name, .length = 0, .make = constant(s), .section = s};
  phase.length = s.number({"length",
                           "epochs, or steps, that it takes, after which the learning rate stays; 0: the rest "
                           "of the run"},
                          {.at_least = 0, .at_most = 1e12}, 0.0);
  for (const Known& known : kCurves) {
    if (name == known.name) {
      phase.make = known.read(s);
    }
  }
  return phase;
}

PlateauOptions read_plateau(const io::Section& s) {
  PlateauOptions o;
  o.metric = s.string({"metric", "metric of the evaluations that has to improve, as `loss` or `accuracy`"}, o.metric);
  o.factor = s.number({"factor", "what the learning rate is multiplied by on a plateau"}, {.at_least = 0, .below = 1},
                      o.factor);
  o.patience = s.integer({"patience", "evaluations in a row without an improvement that are borne"},
                         {.at_least = 0, .at_most = 1'000'000}, o.patience);
  o.threshold = s.number({"threshold", "smallest change of the metric that is an improvement"},
                         {.at_least = 0, .at_most = 1e30}, o.threshold);
  o.relative = s.choice({"threshold_mode", "whether the threshold is a part of the best value, or a number"},
                        {"rel", "abs"}, "rel") == "rel";
  o.cooldown = s.integer({"cooldown", "evaluations after a change that do not count"},
                         {.at_least = 0, .at_most = 1'000'000}, o.cooldown);
  o.min_lr = s.number({"min_lr", "smallest learning rate"}, kLr, o.min_lr);
  return o;
}

std::vector<SchedulePhase> read_chain(const io::Section& s) {
  std::vector<SchedulePhase> phases;
  const std::vector<io::Section> parts = s.sections({"chain", "schedules, one after the other"});
  for (const io::Section& part : parts) {
    const std::string name = part.choice({"name", "how the learning rate changes in this part"}, curve_names());
    phases.push_back(read_phase(part, name));
    if (phases.back().length == 0 && phases.size() < parts.size()) {
      part.fail("length", to_text("'length' in [", part.path(), "]: need a number above 0 for all but the last part"));
    }
  }
  if (phases.empty()) {
    s.fail("chain", "no parts in [schedule]: need at least one [[schedule.chain]]");
  }
  return phases;
}

}  // namespace

ScheduleOptions read_schedule(const io::Section& s) {
  ScheduleOptions o{.name = "", .phases = {}, .plateau = {}, .section = s};
  std::vector<std::string> names = curve_names();
  names.insert(names.end(), {"plateau", "chain"});
  o.name = s.choice({"name", "how the learning rate changes over the run"}, names, "constant");
  o.by_epoch = s.choice({"unit", "what lengths are counted in"}, {"epoch", "step"}, "epoch") == "epoch";
  o.warmup = s.number({"warmup", "length of a linear rise of the learning rate before all else"},
                      {.at_least = 0, .at_most = 1e12}, 0.0);
  o.warmup_start = s.number({"warmup_start", "part of the learning rate that the rise starts with"},
                            {.above = 0, .at_most = 1}, 0.01);
  if (o.name == "plateau") {
    o.plateau = read_plateau(s);
  } else if (o.name == "chain") {
    o.phases = read_chain(s);
  } else {
    o.phases.push_back(read_phase(s, o.name));
  }
  return o;
}

}  // namespace backflow::train
