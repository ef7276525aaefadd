#include <algorithm>

#include <nlohmann/json.hpp>

#include <backflow/train/cores/scaling.h>

namespace backflow::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMicrosecond = 1e3;  // ns

/// Parts of all cores' time.
Json lost_of(const LostTime& lost, double pieces, const ScalingPoint& point) {
  const double whole = point.nanoseconds * static_cast<double>(point.threads);
  return {{"serial", lost.serial / whole},
          {"idle", lost.idle / whole},
          {"overhead", lost.overhead / whole},
          {"pieces", pieces / whole},
          {"memory", lost.bandwidth / whole}};
}

Json json_of(const ScalingRow& row, const ScalingPoint& point) {
  return {{"name", row.label.name},
          {"shapes", row.label.shapes},
          {"work_on_one_us", row.work_on_one / kMicrosecond},
          {"work_us", row.work / kMicrosecond},
          {"loops", row.loops},
          {"tasks", row.tasks},
          {"lost", lost_of(row.lost, row.pieces, point)}};
}

Json json_of(const ScalingPoint& point, std::size_t rows) {
  Json limits = Json::array();
  for (std::size_t i = 0; i < std::min(rows, point.rows.size()); ++i) {
    limits.push_back(json_of(point.rows[i], point));
  }
  return {{"threads", point.threads},
          {"step_us", point.nanoseconds / kMicrosecond},
          {"speedup", point.speedup},
          {"lost", lost_of(point.lost, point.pieces, point)},
          {"limits", std::move(limits)}};
}

}  // namespace

std::string scaling_json(const Scaling& scaling, std::size_t rows) {
  const Machine& m = scaling.machine;
  Json json = {{"machine",
                {{"cores", m.cores},
                 {"first_helper_ns", m.first_helper},
                 {"further_helpers_ns", m.further_helpers},
                 {"first_join_ns", m.first_join},
                 {"further_joins_ns", m.further_joins},
                 {"task_ns", m.task},
                 {"graph_task_ns", m.graph_task},
                 {"handover_ns", m.handover},
                 {"bytes_per_ns", m.bytes_per_ns},
                 {"bandwidth_limit", m.bandwidth_limit},
                 {"cached_bytes", m.cached_bytes}}},
               {"step_us_on_one", scaling.nanoseconds_on_one / kMicrosecond},
               {"repetitions", scaling.repetitions},
               {"warnings", scaling.warnings},
               {"points", Json::array()}};
  for (const ScalingPoint& point : scaling.points) {
    json["points"].push_back(json_of(point, rows));
  }
  return json.dump();
}

}  // namespace backflow::train
