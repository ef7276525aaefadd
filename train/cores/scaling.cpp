#include <backflow/train/cores/scaling.h>

#include <algorithm>
#include <functional>
#include <iterator>
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
  RecordingOptions recording{.threads = {1},  // what all others are compared with
                             .repetitions = options.repetitions,
                             .seconds = options.seconds,
                             .bytes_per_ns = machine.bytes_per_ns,
                             .cached_bytes = machine.cached_bytes};
  std::copy_if(options.threads.begin(), options.threads.end(), std::back_inserter(recording.threads),
               [](int threads) { return threads > 1; });
  const std::vector<Recording> recordings = record_work(step, recording);
  const WorkByLabel on_one = work_by_label(rows_of(recordings[0].tree));
  scaling.nanoseconds_on_one = work_of(recordings[0].tree.root);
  scaling.repetitions = recordings[0].repetitions;
  for (const Recording& cut : recordings) {
    ScalingPoint point = point_of(cut.tree, cut.threads, machine, on_one);
    point.speedup = scaling.nanoseconds_on_one / point.nanoseconds;
    scaling.points.push_back(std::move(point));
    scaling.repetitions = std::min(scaling.repetitions, cut.repetitions);
    if (!cut.warning.empty()) {
      scaling.warnings.push_back(to_text(cut.threads, " threads: ", cut.warning));
    }
  }
  return scaling;
}

}  // namespace backflow::train
