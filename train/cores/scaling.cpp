#include <backflow/train/cores/scaling.h>

#include <algorithm>
#include <map>
#include <utility>

#include <backflow/runtime/base/error.h>

namespace backflow::train {
namespace {

/// The rows of a tree: its work by label.
std::vector<ScalingRow> rows_of(const WorkTree& tree) {
  std::vector<ScalingRow> rows(tree.labels.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].label = tree.labels[i];
  }
  const std::function<void(const WorkTask&)> add = [&](const WorkTask& task) {
    for (const WorkPart& part : task.parts) {
      ScalingRow& row = rows[part.label];
      row.work += part.nanoseconds;
      if (part.group) {
        row.loops += 1;
        row.tasks += static_cast<std::int64_t>(part.group->tasks.size());
        std::for_each(part.group->tasks.begin(), part.group->tasks.end(), add);
      }
    }
  };
  add(tree.root);
  return rows;
}

using WorkByLabel = std::map<std::pair<std::string, std::string>, double>;

WorkByLabel work_by_label(const std::vector<ScalingRow>& rows) {
  WorkByLabel work;
  for (const ScalingRow& row : rows) {
    work[{row.label.name, row.label.shapes}] += row.work;
  }
  return work;
}

ScalingPoint point_of(const WorkTree& tree, int threads, const Machine& machine, const WorkByLabel& on_one) {
  const Prediction prediction = predict(tree, threads, machine);
  ScalingPoint point;
  point.threads = threads;
  point.nanoseconds = prediction.nanoseconds;
  point.lost = prediction.lost;
  point.rows = rows_of(tree);
  for (std::size_t i = 0; i < point.rows.size(); ++i) {
    ScalingRow& row = point.rows[i];
    row.lost = prediction.lost_of[i];
    const auto before = on_one.find({row.label.name, row.label.shapes});
    row.work_on_one = before == on_one.end() ? 0 : before->second;
    row.pieces = row.work - row.work_on_one;
    point.pieces += row.pieces;
  }
  std::stable_sort(point.rows.begin(), point.rows.end(),
                   [](const auto& a, const auto& b) { return a.lost_sum() > b.lost_sum(); });
  return point;
}

}  // namespace

Scaling predict_scaling(const std::function<void()>& step, const ScalingOptions& options, const Machine& machine) {
  Scaling scaling;
  scaling.machine = machine;
  const auto record = [&](int threads) {
    Recording recording = record_work(step, {.threads = threads,
                                             .repetitions = options.repetitions,
                                             .seconds = options.seconds,
                                             .bytes_per_ns = machine.bytes_per_ns,
                                             .cached_bytes = machine.cached_bytes});
    if (!recording.warning.empty()) {
      scaling.warnings.push_back(to_text(threads, " threads: ", recording.warning));
    }
    scaling.repetitions =
        scaling.repetitions == 0 ? recording.repetitions : std::min(scaling.repetitions, recording.repetitions);
    return std::move(recording.tree);
  };
  const WorkTree whole = record(1);
  const WorkByLabel on_one = work_by_label(rows_of(whole));
  scaling.nanoseconds_on_one = work_of(whole.root);
  for (const int threads : options.threads) {
    scaling.points.push_back(threads == 1 ? point_of(whole, 1, machine, on_one)
                                          : point_of(record(threads), threads, machine, on_one));
    scaling.points.back().speedup = scaling.nanoseconds_on_one / scaling.points.back().nanoseconds;
  }
  return scaling;
}

}  // namespace backflow::train
