#include <backflow/train/views/profile.h>

#include <algorithm>
#include <numeric>

#include <backflow/train/formatted.h>
#include <backflow/train/views/profile_layout.h>

namespace backflow::train {
namespace {

constexpr double kMillisecond = 1e6;  // ns
constexpr const char* kStep = "step";
constexpr const char* kData = "data";

double total(const std::vector<Profile::Row>& rows) {
  return std::accumulate(rows.begin(), rows.end(), 0.0,
                         [](double sum, const Profile::Row& row) { return sum + row.nanoseconds; });
}

Profile::Row sum_of(std::span<const Profile::Row> rows) {
  Profile::Row sum;
  for (const Profile::Row& row : rows) {
    sum.calls += row.calls;
    sum.nanoseconds += row.nanoseconds;
    sum.flop += row.flop;
    sum.bytes += row.bytes;
  }
  sum.name = to_text(rows.size(), rows.size() == 1 ? " other" : " others");
  return sum;
}

/// Joins the parts by ", " in lines of at most `columns`, those after the first indented; none ends in a line break.
std::string wrapped(const std::vector<std::string>& parts, std::size_t columns) {
  std::string text = parts.front();
  std::size_t used = text.size();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::size_t comma = i + 1 < parts.size() ? 1 : 0;
    const bool fits = used + 2 + parts[i].size() + comma <= columns;
    text += (fits ? ", " : ",\n  ") + parts[i];
    used = (fits ? used : 0) + 2 + parts[i].size();
  }
  return text;
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

double Profile::span(std::string_view name) const {
  const auto it = std::find_if(spans_.begin(), spans_.end(), [&](const auto& s) { return s.first == name; });
  return it == spans_.end() ? 0 : it->second;
}

std::string Profile::head(std::size_t columns) const {
  const std::string all =
      formatted("profile of %lld %s", static_cast<long long>(steps_), steps_ == 1 ? "step" : "steps");
  std::vector<std::string> parts = {all};
  for (const auto& [name, nanoseconds] : spans_) {
    const double each = nanoseconds / kMillisecond / static_cast<double>(steps_);
    if (name == kStep) {
      parts.front() += formatted(", %.3f ms each", each);
    } else {
      const std::string share = name == kData ? formatted(" (%.1f%%)", 100 * ratio(nanoseconds, span(kStep))) : "";
      parts.push_back(formatted("%.*s %.3f", static_cast<int>(name.size()), name.data(), each) + share);
    }
  }
  parts.push_back(formatted("tensors at most %.1f MB", static_cast<double>(peak_bytes_) / 1e6));
  return wrapped(parts, columns) + "\n";
}

std::string Profile::backward(std::size_t columns) const {
  const double steps = static_cast<double>(std::max<std::int64_t>(steps_, 1)) * kMillisecond;
  return wrapped(
      {formatted("backward of a step: %.3f ms", pass_ / steps), formatted("nodes and tasks %.3f ms", work_ / steps),
       formatted("tasks alone %.3f ms", tasks_ / steps), formatted("longest path %.3f ms", critical_ / steps),
       formatted("parallelism %.2f of at most %.2f (T/C)", parallelism(), parallelism_bound())},
      columns);
}

std::string Profile::table(std::size_t columns, std::size_t max_rows) const {
  const std::vector<Row> all = rows();
  const double time = total(all);
  const ProfileLayout layout(columns);
  std::string text = head(columns) + layout.title();
  const auto shown = static_cast<std::ptrdiff_t>(std::min(max_rows, all.size()));
  std::for_each(all.begin(), all.begin() + shown,
                [&](const Row& row) { text += layout.line(row.backward ? "backward" : "forward", row, time); });
  if (const std::span<const Row> rest = std::span(all).subspan(static_cast<std::size_t>(shown)); !rest.empty()) {
    text += layout.line("", sum_of(rest), time);
  }
  return text + backward(columns);
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
    record.emplace_back(to_text("span.", name, ".ms"), nanoseconds / steps);
  }
  for (const Row& row : rows()) {
    const std::string key = to_text(row.backward ? "backward." : "forward.", row.name);
    record.emplace_back(key + ".calls", row.calls);
    record.emplace_back(key + ".ms", row.nanoseconds / kMillisecond);
    record.emplace_back(key + ".gflop_per_second", row.flop / std::max(row.nanoseconds, 1.0));
    record.emplace_back(key + ".gb_per_second", row.bytes / std::max(row.nanoseconds, 1.0));
  }
  return record;
}

}  // namespace backflow::train
