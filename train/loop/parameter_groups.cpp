#include <backflow/train/loop/parameter_groups.h>

#include <algorithm>
#include <utility>

#include <backflow/train/loop/name_pattern.h>
#include <backflow/train/model/optimizer.h>
#include <backflow/train/run/mistakes.h>

namespace backflow::train {
namespace {

constexpr std::int64_t kAnyDims = -1;

ParameterGroupOptions read_group(const io::Section& s) {
  ParameterGroupOptions group{.match = {}, .weight_decay = {}, .section = s};
  group.match = s.strings({"match",
                           "patterns of the names of its parameters, as `*.bias`; `*` stands for any characters, "
                           "`?` for one"},
                          std::vector<std::string>{"*"});
  group.max_dims = s.integer({"max_dims",
                              "parameters of more dimensions are not in the group; 1 takes biases and the weights of "
                              "normalizations; -1: any"},
                             {.at_least = kAnyDims, .at_most = 16}, kAnyDims);
  group.lr_factor = s.number({"lr_factor", "what the learning rate of the group is multiplied by"},
                             {.at_least = 0, .at_most = 1e6}, 1.0);
  // Below 0: not given, so that resolved configurations, which have every key, say so too.
  const double decay = s.number({"weight_decay", "weight decay of the group; -1: that of the optimizer"},
                                {.at_least = -1, .at_most = 1e30}, -1.0);
  if (decay >= 0) {
    group.weight_decay = decay;
  } else if (decay != -1) {
    s.fail("weight_decay", to_text("'weight_decay' in [", s.path(), "] is ", decay, ": need a number >= 0, or -1"));
  }
  group.frozen = s.boolean({"frozen", "the parameters of the group keep their values"}, false);
  return group;
}

/// The first group that takes a parameter; their number if none does.
std::size_t group_of(const std::vector<ParameterGroupOptions>& groups, const std::string& name,
                     const Tensor& parameter) {
  const auto found = std::find_if(groups.begin(), groups.end(), [&](const ParameterGroupOptions& group) {
    return matches_any(name, group.match) && (group.max_dims == kAnyDims || parameter.dim() <= group.max_dims);
  });
  return static_cast<std::size_t>(found - groups.begin());
}

}  // namespace

std::vector<ParameterGroupOptions> read_parameter_groups(const io::Section& s) {
  std::vector<ParameterGroupOptions> groups;
  for (const io::Section& section : s.sections({"groups", "parameters with options of their own, by name"})) {
    groups.push_back(read_group(section));
  }
  return groups;
}

void freeze_parameters(const OptimizerOptions& options, const nn::Module& module) {
  const std::vector<ParameterGroupOptions>& groups = options.groups;
  std::vector<bool> is_used(groups.size(), false);
  bool is_any_trained = false;
  std::string first;
  for (const auto& item : module.named_parameters()) {
    first = first.empty() ? item.key() : first;
    const std::size_t group = group_of(groups, item.key(), item.value());
    if (group < groups.size()) {
      is_used[group] = true;
      if (groups[group].frozen) {
        item.value().set_requires_grad(false);
      }
    }
    is_any_trained = is_any_trained || item.value().requires_grad();
  }
  Mistakes mistakes;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const io::Section& s = groups[i].section;
    mistakes.attempt([&] {
      if (!is_used[i]) {
        s.fail("match",
               to_text("'match' in [", s.path(), "]: takes no parameter that is in no group before; the model has '",
                       first, "' and so on: need a pattern that fits, or no such group"));
      }
      if (groups[i].frozen && !is_any_trained) {
        s.fail("frozen", to_text("'frozen' in [", s.path(), "]: no parameter is left to train: need at least one"));
      }
    });
  }
  mistakes.check();
}

std::unique_ptr<optim::Optimizer> make_optimizer(const OptimizerOptions& options,
                                                 const OrderedDict<std::string, Tensor>& parameters) {
  const std::vector<ParameterGroupOptions>& groups = options.groups;
  std::vector<std::vector<Tensor>> taken(groups.size() + 1);
  for (const auto& item : parameters) {
    if (item.value().requires_grad()) {
      taken[group_of(groups, item.key(), item.value())].push_back(item.value());
    }
  }
  std::unique_ptr<optim::Optimizer> optimizer = options.make(std::move(taken.back()));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!taken[i].empty()) {
      optimizer->add_param_group(
          {std::move(taken[i]), options.make_options(groups[i].lr_factor, groups[i].weight_decay)});
    }
  }
  return optimizer;
}

}  // namespace backflow::train
