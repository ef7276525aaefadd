#include <backflow/train/task/task.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include <backflow/train/data/data_info.h>
#include <backflow/train/task/autoencoder.h>
#include <backflow/train/task/classification.h>
#include <backflow/train/task/gan_task.h>
#include <backflow/train/task/multi_label.h>
#include <backflow/train/task/regression.h>

namespace backflow::train {
namespace {

struct Known {
  std::string_view name;
  std::vector<TargetKind> targets;         ///< those that it takes; none: any
  std::vector<std::string_view> losses;    ///< the default first
  std::vector<std::string_view> own_keys;  ///< of [task], that not every task has
};

const std::vector<Known>& known_tasks() {
  static const std::vector<Known> all = {
      {"classification", {TargetKind::Class, TargetKind::Tokens}, {"cross_entropy"}, {"label_smoothing", "top_k"}},
      {"regression", {TargetKind::Values}, {"mse", "l1", "huber"}, {"huber_delta"}},
      {"multi_label", {TargetKind::Labels}, {"bce"}, {"threshold"}},
      {"autoencoder", {}, {"mse", "bce", "l1", "huber"}, {"huber_delta"}},
      {"gan", {}, {"bce", "mse"}, {}}};
  return all;
}

std::string_view usual_task(TargetKind target) {
  for (const Known& known : known_tasks()) {
    if (std::find(known.targets.begin(), known.targets.end(), target) != known.targets.end()) {
      return known.name;
    }
  }
  return "autoencoder";
}

const Known& known_task(const TaskOptions& options, const DataInfo& data) {
  const std::string_view name = options.name == "auto" ? usual_task(data.target) : std::string_view(options.name);
  const auto& all = known_tasks();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Known& known) { return known.name == name; });
  check(found != all.end(), "task: no task '", std::string(name), "'");
  if (!found->targets.empty() &&
      std::find(found->targets.begin(), found->targets.end(), data.target) == found->targets.end()) {
    options.section.fail("name", to_text("'name' in [task] is \"", std::string(name),
                                         "\", the targets of the data are ", name_of(data.target), ": need \"",
                                         std::string(usual_task(data.target)), "\", or other targets"));
  }
  return *found;
}

std::string loss_of(const TaskOptions& options, const Known& task) {
  if (options.loss == "auto") {
    return std::string(task.losses.front());
  }
  if (std::find(task.losses.begin(), task.losses.end(), options.loss) == task.losses.end()) {
    std::string fitting;
    for (const std::string_view loss : task.losses) {
      fitting += to_text(fitting.empty() ? "\"" : " or \"", std::string(loss), "\"");
    }
    options.section.fail("loss", to_text("'loss' in [task] is \"", options.loss, "\" for a task \"",
                                         std::string(task.name), "\": need ", fitting));
  }
  return options.loss;
}

/// Keys that have an effect in other tasks alone are mistakes, unless they have their default.
void refuse_foreign_keys(const TaskOptions& options, const Known& task) {
  const std::pair<std::string_view, bool> set[] = {{"label_smoothing", options.label_smoothing != 0},
                                                   {"top_k", !options.top_k.empty()},
                                                   {"huber_delta", options.huber_delta != 1},
                                                   {"threshold", options.threshold != 0.5}};
  for (const auto& [key, is_set] : set) {
    if (is_set && std::find(task.own_keys.begin(), task.own_keys.end(), key) == task.own_keys.end()) {
      options.section.fail(key, to_text("'", std::string(key), "' in [task]: has no meaning for a task \"",
                                        std::string(task.name), "\": need another task, or no such key"));
    }
  }
}

/// Of no classes, which are not known yet: nothing.
void check_top_k(const TaskOptions& options, std::int64_t classes) {
  const std::vector<std::int64_t>& k = options.top_k;
  for (std::size_t i = 0; i < k.size(); ++i) {
    if (classes > 0 && k[i] > classes) {
      options.section.fail(
          "top_k", i,
          to_text("'top_k' in [task] has ", k[i], ", there are ", classes, " classes: need at most as many"));
    }
    if (std::find(k.begin(), k.begin() + static_cast<std::ptrdiff_t>(i), k[i]) !=
        k.begin() + static_cast<std::ptrdiff_t>(i)) {
      options.section.fail("top_k", i, to_text("'top_k' in [task] has ", k[i], " twice: need each number once"));
    }
  }
}

}  // namespace

std::unique_ptr<Task> Task::make(const TaskOptions& options, const DataInfo& data) {
  const Known& known = known_task(options, data);
  const std::string loss = loss_of(options, known);
  refuse_foreign_keys(options, known);
  if (known.name == "classification") {
    check_top_k(options, data.classes);
    return std::make_unique<Classification>(options, data);
  }
  if (known.name == "regression") {
    return std::make_unique<Regression>(options, loss, data);
  }
  if (known.name == "multi_label") {
    return std::make_unique<MultiLabel>(options, data);
  }
  if (known.name == "gan") {
    return std::make_unique<GanTask>(options, loss, data);
  }
  return std::make_unique<Autoencoder>(options, loss, data);
}

}  // namespace backflow::train
