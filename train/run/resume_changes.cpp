#include <backflow/train/run/resume_changes.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <backflow/io/config.h>
#include <backflow/io/nearest.h>
#include <backflow/train/experiment.h>

namespace backflow::train {
namespace {

constexpr std::array<std::string_view, 18> kFree = {"name",
                                                    "schedule",
                                                    "evaluation",
                                                    "early_stopping",
                                                    "ema",
                                                    "init",
                                                    "train.epochs",
                                                    "train.max_steps",
                                                    "data.prefetch",
                                                    "data.workers",
                                                    "train.eval_batch_size",
                                                    "train.clip_grad_norm",
                                                    "train.check_gradients",
                                                    "distributed.bucket_mb",
                                                    "distributed.timeout_s",
                                                    "distributed.check_every",
                                                    "distributed.shard_optimizer",
                                                    "checkpoint"};
// Without these the optimizer has another state, or none at all.
constexpr std::array<std::string_view, 3> kOfState = {"optimizer.name", "optimizer.amsgrad", "optimizer.centered"};

/// Whether `name` is `scope` or a key in it.
bool lies_in(const std::string& name, std::string_view scope) {
  return name.starts_with(scope) && (name.size() == scope.size() || name[scope.size()] == '.');
}

template <class Scopes>
bool lies_in_any(const std::string& name, const Scopes& scopes) {
  return std::any_of(scopes.begin(), scopes.end(), [&](const auto& scope) { return lies_in(name, scope); });
}

/// The values that the dump's run had; defaults of keys that this version knows and that one did not are filled in.
Facts facts_of(const std::string& path, const io::Dump& dump) {
  const io::Config config = io::Config::parse(dump.config, path + ":/config");
  Experiment::read(config);
  Facts facts = config.values();
  facts.emplace_back("data.train", dump.train_data);
  facts.emplace_back("data.test", dump.test_data);
  return facts;
}

const std::string* find(const Facts& facts, const std::string& name) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const auto& fact) { return fact.first == name; });
  return found == facts.end() ? nullptr : &found->second;
}

struct Change {
  std::string name;
  std::string before;
  std::string now;

  /// A key that only one of the two has, since they have different optimizers.
  bool is_of_another_optimizer() const { return lies_in(name, "optimizer") && (before.empty() || now.empty()); }
  /// Momentum needs a buffer, none does not.
  bool is_of_state() const {
    const bool starts_or_ends = name == "optimizer.momentum" && same_value(before, "0") != same_value(now, "0");
    return lies_in_any(name, kOfState) || (starts_or_ends && !before.empty() && !now.empty());
  }
  std::string text() const { return to_text(name, " is ", shown(now), ", in the dump ", shown(before)); }
};

/// Names that differ, those that only one of the two has included; not data that the dump does not describe.
std::vector<Change> changes_between(const Facts& before, const Facts& now) {
  std::vector<Change> changes;
  for (const auto& [name, value] : now) {
    const std::string* old = find(before, name);
    const bool unknown = old != nullptr && old->empty();
    if (!unknown && (old == nullptr || !same_value(*old, value))) {
      changes.push_back({name, old == nullptr ? "" : *old, value});
    }
  }
  for (const auto& [name, value] : before) {
    if (find(now, name) == nullptr) {
      changes.push_back({name, value, ""});
    }
  }
  return changes;
}

std::string refusal(const std::string& path, const std::vector<Change>& changes) {
  constexpr std::size_t kMost = 8;
  std::string text;
  std::string options;
  for (std::size_t i = 0; i < std::min(changes.size(), kMost); ++i) {
    text += to_text(i == 0 ? "" : "; ", changes[i].text());
    options += " --allow-change " + changes[i].name;
  }
  if (changes.size() > kMost) {
    text += to_text("; and ", changes.size() - kMost, " more");
    options += " ...";
  }
  return to_text("--resume ", path, ": ", text, ": need what the dump has; to go on with the new values give", options);
}

}  // namespace

bool may_change(const std::string& name) {
  return is_data_path(name) || lies_in_any(name, kFree) || (lies_in(name, "optimizer") && !lies_in_any(name, kOfState));
}

AllowedChanges check_changes(const std::string& path, const io::Dump& dump, const Facts& now,
                             const std::vector<std::string>& allowed) {
  if (dump.config.empty()) {
    return {.notes = {path + " holds no configuration: whether this one is the same cannot be checked"}};
  }
  AllowedChanges result;
  std::vector<Change> refused;
  for (const Change& change : changes_between(facts_of(path, dump), now)) {
    if ((may_change(change.name) && !change.is_of_state()) || change.is_of_another_optimizer()) {
      continue;
    }
    if (lies_in_any(change.name, allowed)) {
      result.notes.push_back(to_text("changed since the dump: ", change.text()));
      result.of_optimizer_state |= change.is_of_state();
    } else {
      refused.push_back(change);
    }
  }
  if (!refused.empty()) {
    throw io::ConfigError(refusal(path, refused));
  }
  if (dump.train_data.empty()) {
    result.notes.push_back(path + " does not say what its data were: whether these are the same cannot be checked");
  }
  return result;
}

void check_allowed_names(const std::vector<std::string>& allowed, const Facts& now) {
  std::vector<std::string> names;
  for (const auto& fact : now) {
    names.push_back(fact.first);
  }
  for (const std::string& name : allowed) {
    const bool known = std::any_of(names.begin(), names.end(), [&](const auto& key) { return lies_in(key, name); });
    if (!known) {
      const std::string hint = io::nearest(name, names);
      throw io::ConfigError(to_text("--allow-change ", name,
                                    ": no such key: need one of the configuration, as data.mean",
                                    hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
  }
}

}  // namespace backflow::train
