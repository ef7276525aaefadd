#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <backflow/train/report/run_record.h>
#include <backflow/train/report/step_timeline.h>

// The parts of ReportData::json().

namespace backflow::train::report {

using Json = nlohmann::ordered_json;

/// A number with six digits, which is all that a picture needs; null when it is not finite.
Json number(double value);
/// {"curve name": {"x": steps, "y": values, "mean_of": steps per point}}
Json curves(const NamedSeries& series);
/// {"steps", "backward": {...}, "spans": [[name, ms]], "operators": [[name, direction, calls, ms, gflops, gbs]]}, the
/// slowest operator first; null for an empty record.
Json profile(const io::MetricRecord& record);
Json confusion(const ConfusionMatrix& matrix);
/// {"us", "left_out", "names": [...], "threads": [{"name", "slices": [[start, us, depth, name, kind, detail]]}]}
Json timeline(const StepTimeline& timeline);
/// The fields of a record.
Json fields(const io::MetricRecord& record);

}  // namespace backflow::train::report
