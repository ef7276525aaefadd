#include <backflow/train/sweep/summary.h>

#include <algorithm>
#include <cmath>
#include <map>

#include <backflow/train/formatted.h>

namespace backflow::train {
namespace {

using Rows = std::vector<std::vector<std::string>>;

/// Columns as wide as they have to be; those of `right` are aligned to the right.
std::string aligned(const Rows& rows, const std::vector<bool>& right) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      line += (i == 0 ? "" : "  ") + (right[i] ? space + row[i] : row[i] + space);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string number_text(double value, const char* format = "%.5g") {
  if (std::isnan(value)) {
    return "-";
  }
  return value == std::floor(value) && std::fabs(value) < 1e15 ? formatted("%.0f", value)
         : format[2] == '5'                                    ? formatted("%.5g", value)
                                                               : formatted("%.9g", value);
}

int rank_of(RunStatus state) {
  return state == RunStatus::Finished ? 0 : state == RunStatus::Dropped ? 1 : state == RunStatus::Interrupted ? 2 : 3;
}

/// The table over seeds: groups of runs that differ in nothing else.
std::string over_seeds(const SweepResults& r) {
  const std::vector<std::size_t> varying = varying_axes(r.axes);
  std::vector<std::size_t> keys;
  bool has_seeds = false;
  for (const std::size_t i : varying) {
    has_seeds = has_seeds || r.axes[i].key == "seed";
    if (r.axes[i].key != "seed") {
      keys.push_back(i);
    }
  }
  if (!has_seeds) {
    return "";
  }
  std::map<std::vector<std::string>, std::vector<double>> groups;
  for (std::size_t run = 0; run < r.runs.size(); ++run) {
    if (r.outcomes[run].state == RunStatus::Finished && !std::isnan(r.value(run))) {
      std::vector<std::string> key;
      key.reserve(keys.size());
      for (const std::size_t i : keys) {
        key.push_back(r.runs[run].values[i]);
      }
      groups[key].push_back(r.value(run));
    }
  }
  if (groups.empty()) {
    return "";
  }
  Rows rows(1);
  for (const std::size_t i : keys) {
    rows[0].push_back(r.axes[i].key);
  }
  rows[0].insert(rows[0].end(), {"runs", "mean " + r.metric, "deviation"});
  for (const auto& [key, values] : groups) {
    double sum = 0;
    for (const double value : values) {
      sum += value;
    }
    const double n = static_cast<double>(values.size());
    double squares = 0;
    for (const double value : values) {
      squares += (value - sum / n) * (value - sum / n);
    }
    std::vector<std::string> row = key;
    row.insert(row.end(),
               {number_text(n), number_text(sum / n), n > 1 ? number_text(std::sqrt(squares / (n - 1))) : "-"});
    rows.push_back(std::move(row));
  }
  return "\nover the seeds:\n" + aligned(rows, std::vector<bool>(rows.front().size(), true));
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

std::string csv(const Rows& rows) {
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += (i == 0 ? "" : ",") + csv_field(row[i]);
    }
    text += "\n";
  }
  return text;
}

/// Names of all metrics that some run has, as "test_accuracy".
std::vector<std::string> measured(const SweepResults& r) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const RunOutcome& run : r.outcomes) {
    for (const auto& [split, series] : run.record.evaluations) {
      for (const auto& [name, curve] : series) {
        if (name != "epoch") {
          add(split + "_" + name);
        }
      }
    }
  }
  return names;
}

double measured_value(const RunRecord& record, const std::string& name) {
  for (const auto& [split, series] : record.evaluations) {
    if (name.starts_with(split + "_")) {
      if (const Series* curve = series.find(name.substr(split.size() + 1))) {
        return curve->last();
      }
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

std::vector<std::size_t> SweepResults::order() const {
  std::vector<std::size_t> order(runs.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const int first = rank_of(outcomes[a].state);
    const int second = rank_of(outcomes[b].state);
    if (first != second) {
      return first < second;
    }
    const double x = value(a);
    const double y = value(b);
    if (std::isnan(x) || std::isnan(y)) {
      return !std::isnan(x) && std::isnan(y);
    }
    return lower_is_better ? x < y : x > y;
  });
  return order;
}

std::string summary_table(const SweepResults& r) {
  const std::vector<std::size_t> varying = varying_axes(r.axes);
  Rows rows(1);
  std::vector<bool> right;
  for (const std::size_t i : varying) {
    rows[0].push_back(r.axes[i].key);
    right.push_back(true);
  }
  rows[0].insert(rows[0].end(), {r.metric, "steps", "seconds", "status", "run"});
  right.insert(right.end(), {true, true, true, false, false});
  for (const std::size_t run : r.order()) {
    const RunOutcome& outcome = r.outcomes[run];
    std::vector<std::string> row;
    row.reserve(varying.size() + right.size());
    for (const std::size_t i : varying) {
      row.push_back(r.runs[run].values[i]);
    }
    row.insert(row.end(),
               {number_text(r.value(run)), std::to_string(outcome.record.step),
                outcome.record.final.empty() ? "-" : formatted("%.1f", number_of(outcome.record.final, "seconds")),
                state_name(outcome.state), r.runs[run].name});
    rows.push_back(std::move(row));
  }
  return aligned(rows, right) + over_seeds(r);
}

std::string summary_csv(const SweepResults& r, const std::string& directory) {
  const std::vector<std::string> names = measured(r);
  Rows rows(1);
  rows[0] = {"run", "status"};
  for (const Axis& axis : r.axes) {
    rows[0].push_back(axis.key);
  }
  rows[0].insert(rows[0].end(), {"steps", "epochs", "seconds"});
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  rows[0].insert(rows[0].end(), {"error", "directory"});
  const auto text = [](double value) { return std::isnan(value) ? "" : number_text(value, "%.9g"); };
  for (const std::size_t run : r.order()) {
    const RunOutcome& outcome = r.outcomes[run];
    std::vector<std::string> row = {r.runs[run].name, state_name(outcome.state)};
    row.insert(row.end(), r.runs[run].values.begin(), r.runs[run].values.end());
    row.insert(row.end(), {std::to_string(outcome.record.step), std::to_string(outcome.record.epoch),
                           text(number_of(outcome.record.final, "seconds"))});
    for (const std::string& name : names) {
      row.push_back(text(measured_value(outcome.record, name)));
    }
    row.insert(row.end(), {outcome.error, directory + "/runs/" + r.runs[run].name});
    rows.push_back(std::move(row));
  }
  return csv(rows);
}

}  // namespace backflow::train
