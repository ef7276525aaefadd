#include <backflow/train/profile.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <numeric>

namespace backflow::train {
namespace {

constexpr double kMillisecond = 1e6;  // ns
constexpr const char* kStep = "step";

/// As printf. No line of the table is longer than the buffer.
[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

double total(const std::vector<Profile::Row>& rows) {
  return std::accumulate(rows.begin(), rows.end(), 0.0,
                         [](double sum, const Profile::Row& row) { return sum + row.nanoseconds; });
}

std::string line(const Profile::Row& row, double all) {
  const double time = std::max(row.nanoseconds, 1.0);
  return formatted("%-28.28s %-8s %8lld %10.3f %6.1f%% %9.1f %8.1f\n", row.name.c_str(),
                   row.backward ? "backward" : "forward", static_cast<long long>(row.calls),
                   row.nanoseconds / kMillisecond, 100 * row.nanoseconds / std::max(all, 1.0), row.flop / time,
                   row.bytes / time);
}

}  // namespace

void Profile::add_step(std::span<const trace::ThreadEvents> threads, std::int64_t peak_bytes) {
  ++steps_;
  peak_bytes_ = std::max(peak_bytes_, peak_bytes);
  for (const trace::ThreadEvents& thread : threads) {
    for (const trace::Event& event : thread.events) {
      if (!event.nested) {
        add(event);
      }
    }
  }
}

void Profile::add(const trace::Event& event) {
  const auto time = static_cast<double>(event.end - event.start);
  if (event.kind == trace::Kind::kPass) {
    work_ += event.work;
    critical_ += event.critical;
    pass_ += time;
  } else if (event.kind == trace::Kind::kTask) {
    tasks_ += time;
  } else if (event.kind == trace::Kind::kSpan) {
    const auto it = std::find_if(spans_.begin(), spans_.end(), [&](const auto& s) { return s.first == event.name; });
    (it == spans_.end() ? spans_.emplace_back(event.name, 0) : *it).second += time;
  } else {
    const bool backward = event.kind == trace::Kind::kNode;
    Row& row = rows_[{event.name, backward}];
    row.name = event.name;
    row.backward = backward;
    ++row.calls;
    row.nanoseconds += time;
    row.flop += event.flop;
    row.bytes += event.bytes;
  }
}

std::vector<Profile::Row> Profile::rows() const {
  std::vector<Row> rows;
  for (const auto& [key, row] : rows_) {
    rows.push_back(row);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.nanoseconds > b.nanoseconds; });
  return rows;
}

std::string Profile::head() const {
  std::string step;
  std::string parts;
  for (const auto& [name, nanoseconds] : spans_) {
    const double each = nanoseconds / kMillisecond / static_cast<double>(steps_);
    if (name == kStep) {
      step = formatted(", %.3f ms each", each);
    } else {
      parts += formatted("%s%.*s %.3f", parts.empty() ? "" : ", ", static_cast<int>(name.size()), name.data(), each);
    }
  }
  return formatted("profile of %lld %s", static_cast<long long>(steps_), steps_ == 1 ? "step" : "steps") + step +
         (parts.empty() ? "" : " (" + parts + ")") +
         formatted("; tensors took at most %.1f MB\n", static_cast<double>(peak_bytes_) / 1e6);
}

std::string Profile::table(std::size_t max_rows) const {
  const std::vector<Row> all = rows();
  const double time = total(all);
  std::string text = head();
  text += formatted("%-28s %-8s %8s %10s %7s %9s %8s\n", "operator", "", "calls", "ms", "share", "GFLOP/s", "GB/s");
  const auto shown = static_cast<std::ptrdiff_t>(std::min(max_rows, all.size()));
  std::for_each(all.begin(), all.begin() + shown, [&](const Row& row) { text += line(row, time); });
  const std::vector<Row> rest(all.begin() + shown, all.end());
  if (!rest.empty()) {
    text += formatted("%-37s %8zu %10.3f %6.1f%%\n", "others (their number)", rest.size(), total(rest) / kMillisecond,
                      100 * total(rest) / std::max(time, 1.0));
  }
  const double steps = static_cast<double>(std::max<std::int64_t>(steps_, 1)) * kMillisecond;
  return text +
         formatted(
             "backward of a step: %.3f ms, nodes %.3f ms, tasks %.3f ms, longest path %.3f ms: parallelism %.2f of at "
             "most %.2f (T/C)",
             pass_ / steps, work_ / steps, tasks_ / steps, critical_ / steps, parallelism(), parallelism_bound());
}

io::MetricRecord Profile::record() const {
  const double steps = static_cast<double>(std::max<std::int64_t>(steps_, 1)) * kMillisecond;
  io::MetricRecord record = {{"steps", steps_},
                             {"peak_bytes", peak_bytes_},
                             {"backward_ms", pass_ / steps},
                             {"backward_work_ms", work_ / steps},
                             {"backward_tasks_ms", tasks_ / steps},
                             {"backward_critical_path_ms", critical_ / steps},
                             {"parallelism", parallelism()},
                             {"parallelism_bound", parallelism_bound()}};
  for (const auto& [name, nanoseconds] : spans_) {
    record.emplace_back(concat("span.", name, ".ms"), nanoseconds / steps);
  }
  for (const Row& row : rows()) {
    const std::string key = concat(row.backward ? "backward." : "forward.", row.name);
    record.emplace_back(key + ".calls", row.calls);
    record.emplace_back(key + ".ms", row.nanoseconds / kMillisecond);
    record.emplace_back(key + ".gflop_per_second", row.flop / std::max(row.nanoseconds, 1.0));
    record.emplace_back(key + ".gb_per_second", row.bytes / std::max(row.nanoseconds, 1.0));
  }
  return record;
}

}  // namespace backflow::train
