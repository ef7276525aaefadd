#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include <backflow/nn/archive/input_archive.h>
#include <backflow/nn/archive/output_archive.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/nn/optim/option_values_internal.h>
#include <backflow/nn/optim/state_values_internal.h>
#include <backflow/ops/functions.h>

namespace backflow::optim {
namespace {

constexpr const char* kStep = "step";
// Of PyTorch's groups: how it computes, not what.
constexpr std::array<std::string_view, 5> kOptionsOfNoEffect{"foreach", "fused", "capturable", "differentiable",
                                                             "decoupled_weight_decay"};

std::string group_prefix(std::size_t group) { return "param_groups." + std::to_string(group) + "."; }

/// A number as a tensor of the dtype that an option has; nothing when it has no such value.
std::optional<Tensor> as_option(const Tensor& given, const Tensor& ours) {
  const std::optional<double> value = detail::number_of(given);
  if (!value || (ours.scalar_type() == kBool && *value != 0 && *value != 1)) {
    return std::nullopt;
  }
  return full({}, *value, ours.scalar_type());
}

/// The options of a group under their names.
Optimizer::NamedTensors options_of(const OptimizerOptions& options) {
  serialize::OutputArchive archive;
  options.serialize(archive);
  Optimizer::NamedTensors out;
  for (const auto& [name, value] : archive.contents().values) {
    out.insert(name, serialize::tensor_of(value));
  }
  return out;
}

}  // namespace

void OptimizerOptions::serialize(serialize::OutputArchive& archive) const { archive.write("lr", get_lr()); }

void OptimizerOptions::serialize(serialize::InputArchive& archive) {
  double lr = get_lr();
  detail::read_option(archive, "lr", lr);
  set_lr(lr);
}

Optimizer::NamedTensors Optimizer::state_dict() const {
  NamedTensors out;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    check(!entries_[i]->range, "optimizer: the state of parameter ", i, " is that of some of its elements: need ",
          "a state that is gathered");
    for (const auto& item : entries_[i]->state) {
      out.insert("state." + std::to_string(i) + "." + item.key(), item.value());
    }
  }
  std::int64_t id = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (const auto& item : options_of(groups_[g].options())) {
      out.insert(group_prefix(g) + item.key(), item.value());
    }
    if (groups_[g].initial_lr()) {
      out.insert(group_prefix(g) + "initial_lr", detail::number(*groups_[g].initial_lr()));
    }
    for (std::size_t k = 0; k < groups_[g].params().size(); ++k) {
      out.insert(group_prefix(g) + "params." + std::to_string(k), detail::number(id++));
    }
  }
  return out;
}

/// One call of load_state_dict(): looks at all names, then changes the optimizer.
class Optimizer::StateDictLoad {
 public:
  StateDictLoad(Optimizer& optimizer, const NamedTensors& dict)
      : optimizer_(optimizer),
        given_(backflow::detail::by_name(dict)),
        ids_(optimizer.entries_.size()),
        loaded_(optimizer.entries_.size()) {
    for (std::size_t g = 0; g < optimizer_.groups_.size(); ++g) {
      read_options(g);
      read_ids(g);
    }
    for (const auto& item : dict) {
      if (!known_.contains(item.key()) && !read_state(item.key(), item.value()) && !has_no_effect(item.key())) {
        report_.unexpected.push_back(item.key());
      }
    }
    for (std::size_t i = 0; i < loaded_.size(); ++i) {
      find_missing_state(i);
    }
  }

  const LoadReport& report() const { return report_; }

  void commit() {
    for (std::size_t g = 0; g < optimizer_.groups_.size(); ++g) {
      OptimizerParamGroup& group = optimizer_.groups_[g];
      serialize::InputArchive archive = archive_of(g);
      group.options().serialize(archive);
      const auto initial = given_.find(group_prefix(g) + "initial_lr");
      if (initial != given_.end()) {
        group.set_initial_lr(detail::number_of(*initial->second));
      }
    }
    for (std::size_t i = 0; i < loaded_.size(); ++i) {
      if (!incomplete_.contains(i)) {
        optimizer_.entries_[i]->state = std::move(loaded_[i]);
        optimizer_.entries_[i]->range.reset();
      }
    }
  }

 private:
  const Tensor* find(const std::string& name) {
    known_.insert(name);
    const auto found = given_.find(name);
    if (found == given_.end()) {
      report_.missing.push_back(name);
      return nullptr;
    }
    return found->second;
  }
  void add_mismatch(const std::string& name, const Tensor& given, const std::string& needed) {
    const std::optional<double> value = detail::number_of(given);
    report_.mismatched.push_back({name, needed, value ? to_text(*value) : to_text(describe(given))});
  }

  serialize::InputArchive archive_of(std::size_t g) const {
    serialize::Contents contents;
    for (const auto& item : options_[g]) {
      contents.values.emplace_back(item.key(), serialize::number_in(item.value()));
    }
    return serialize::InputArchive(std::move(contents));
  }

  void read_options(std::size_t g) {
    const OptimizerOptions& ours = optimizer_.groups_[g].options();
    options_.emplace_back();
    for (const auto& item : options_of(ours)) {
      const std::string name = group_prefix(g) + item.key();
      if (const Tensor* const given = find(name)) {
        const auto value = as_option(*given, item.value());
        if (value) {
          options_[g].insert(item.key(), *value);
        } else {
          add_mismatch(name, *given, to_text(describe(item.value())));
        }
      }
    }
    candidates_.push_back(ours.clone());
    serialize::InputArchive archive = archive_of(g);
    candidates_[g]->serialize(archive);
    optimizer_.check_options(*candidates_[g]);
  }

  void read_ids(std::size_t g) {
    for (std::size_t k = 0; k < optimizer_.groups_[g].params().size(); ++k, ++parameters_) {
      const std::string name = group_prefix(g) + "params." + std::to_string(k);
      if (const Tensor* const given = find(name)) {
        const std::optional<std::int64_t> id = detail::integer_of(*given);
        if (id && numbers_.emplace(*id, parameters_).second) {
          ids_[parameters_] = *id;
        } else {
          add_mismatch(name, *given, "a number of its own");
        }
      }
    }
  }

  /// Whether the name is that of a parameter's state. Takes it over, or reports why not.
  bool read_state(const std::string& name, const Tensor& given) {
    constexpr std::string_view kPrefix = "state.";
    const std::size_t dot = name.find('.', kPrefix.size());
    std::int64_t id = 0;
    if (!name.starts_with(kPrefix) || dot == std::string::npos ||
        std::from_chars(name.data() + kPrefix.size(), name.data() + dot, id).ptr != name.data() + dot) {
      return false;
    }
    const auto number = numbers_.find(id);
    if (number == numbers_.end()) {
      return false;
    }
    const Entry& entry = *optimizer_.entries_[number->second];
    const StateKept kept = optimizer_.state_kept(*candidates_[entry.group]);
    const std::string part = name.substr(dot + 1);
    NamedTensors& state = loaded_[number->second];
    if (kept.step && part == kStep) {
      const std::optional<std::int64_t> step = detail::integer_of(given);
      if (step && *step >= 0) {
        state.insert(part, detail::number(*step));
      } else {
        add_mismatch(name, given, "a number of updates");
      }
      return true;
    }
    const bool is_kept = std::any_of(kept.tensors.begin(), kept.tensors.end(),
                                     [&](const char* known) { return known != nullptr && part == known; });
    if (is_kept && backflow::detail::can_copy(name, entry.parameter, given, report_)) {
      state.insert(part, clone(given.detach()));
    }
    return is_kept;
  }

  bool has_no_effect(const std::string& name) {
    constexpr std::string_view kPrefix = "param_groups.";
    const std::size_t dot = name.find('.', kPrefix.size());
    if (!name.starts_with(kPrefix) || dot == std::string::npos) {
      return false;
    }
    std::size_t group = 0;
    const char* const end = name.data() + dot;
    if (std::from_chars(name.data() + kPrefix.size(), end, group).ptr != end || group >= options_.size()) {
      return false;
    }
    const std::string option = name.substr(dot + 1);
    if (option == "maximize") {
      if (detail::number_of(*given_.at(name)) != 0.0) {
        add_mismatch(name, *given_.at(name), "false");
      }
      return true;
    }
    return option == "initial_lr" ||
           std::find(kOptionsOfNoEffect.begin(), kOptionsOfNoEffect.end(), option) != kOptionsOfNoEffect.end();
  }

  /// A state is complete, or not there at all.
  void find_missing_state(std::size_t i) {
    const Entry& entry = *optimizer_.entries_[i];
    const StateKept kept = optimizer_.state_kept(*candidates_[entry.group]);
    std::vector<const char*> needed(kept.tensors.begin(), kept.tensors.end());
    needed.push_back(kept.step ? kStep : nullptr);
    if (!ids_[i]) {
      incomplete_.insert(i);
      return;
    }
    const std::string prefix = "state." + std::to_string(*ids_[i]) + ".";
    const auto is_given = [&](const char* name) { return name != nullptr && given_.contains(prefix + name); };
    const bool has_some = std::any_of(needed.begin(), needed.end(), is_given);
    for (const char* const name : needed) {
      if (name != nullptr && has_some && !loaded_[i].contains(name)) {
        incomplete_.insert(i);
        if (!is_given(name)) {
          report_.missing.push_back(prefix + name);
        }
      }
    }
  }

  Optimizer& optimizer_;
  std::unordered_map<std::string, const Tensor*> given_;
  LoadReport report_;
  std::set<std::string> known_;  // names of options and numbers
  std::vector<NamedTensors> options_;
  std::vector<std::unique_ptr<OptimizerOptions>> candidates_;
  std::unordered_map<std::int64_t, std::size_t> numbers_;  // entries, by the numbers that the dictionary gives them
  std::vector<std::optional<std::int64_t>> ids_;           // these numbers, by entry
  std::size_t parameters_ = 0;
  std::vector<NamedTensors> loaded_;  // state, by entry
  std::set<std::size_t> incomplete_;
};

LoadReport Optimizer::load_state_dict_of(const std::string& where, const NamedTensors& dict, bool strict) {
  StateDictLoad load(*this, dict);
  if (strict) {
    backflow::detail::check_fits(load.report(), where);
  }
  load.commit();
  return load.report();
}

LoadReport Optimizer::load_state_dict(const NamedTensors& dict, bool strict) {
  return load_state_dict_of("optimizer: load_state_dict", dict, strict);
}

void Optimizer::save(serialize::OutputArchive& archive) const { detail::write_all(archive, state_dict()); }

void Optimizer::load(serialize::InputArchive& archive) {
  load_state_dict_of(archive.where() + ": optimizer", detail::numbers_of(archive), true);
}

}  // namespace backflow::optim
