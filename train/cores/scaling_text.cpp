#include <algorithm>

#include <backflow/train/cores/scaling.h>
#include <backflow/train/formatted.h>

namespace backflow::train {
namespace {

constexpr double kMillisecond = 1e6;  // ns
constexpr std::size_t kNameColumns = 60;

/// The part of all cores' time that is lost, in percent.
double percent(double lost, const ScalingPoint& point) {
  return 100 * lost / (point.nanoseconds * static_cast<double>(point.threads));
}

std::string cut(const std::string& text, std::size_t columns) {
  return text.size() <= columns ? text : text.substr(0, columns - 3) + "...";
}

}  // namespace

std::string Machine::text() const {
  const std::string source = cores > 0 ? formatted("measured on %d cores", cores) : "typical costs";
  return source +
         formatted(
             ": a second core joins a loop after %.1f us (%.1f more for each doubling), the loop is joined in %.1f us "
             "(%.1f more); a task costs %.0f ns, one of a graph %.0f, "
             "and %.1f us when handed to another core; memory %.1f GB/s on one core, "
             "%.1f times that on 64\n",
             first_helper / 1e3, further_helpers / 1e3, first_join / 1e3, further_joins / 1e3, task, graph_task,
             handover / 1e3, bytes_per_ns, total_bandwidth(64) / bytes_per_ns);
}

int fed_cores(const Scaling& scaling) {
  int fed = 1;
  for (const ScalingPoint& point : scaling.points) {
    fed = 2 * point.speedup >= point.threads ? std::max(fed, point.threads) : fed;
  }
  return fed;
}

std::string scaling_table(const Scaling& scaling) {
  std::string text = scaling.machine.text();
  text += formatted("%7s %10s %9s   %s\n%7s %10s %9s   %8s %8s %8s %8s %8s\n", "", "predicted", "",
                    "lost, % of all cores' time", "threads", "ms", "speed-up", "serial", "idle", "overhead", "pieces",
                    "memory");
  for (const ScalingPoint& point : scaling.points) {
    text += formatted("%7d %10.3f %9.2f   %8.1f %8.1f %8.1f %8.1f %8.1f\n", point.threads,
                      point.nanoseconds / kMillisecond, point.speedup, percent(point.lost.serial, point),
                      percent(point.lost.idle, point), percent(point.lost.overhead, point),
                      percent(point.pieces, point), percent(point.lost.bandwidth, point));
  }
  const int fed = fed_cores(scaling);
  return text + formatted("feeds %d %s: with more, each does useful work for less than half of the time\n", fed,
                          fed == 1 ? "core" : "cores");
}

std::string scaling_report(const Scaling& scaling) {
  std::string text = scaling_table(scaling);
  for (const ScalingPoint& point : scaling.points) {
    if (point.threads == 16 || point.threads == 64) {
      text += "\n" + limits_table(point);
    }
  }
  for (const std::string& warning : scaling.warnings) {
    text += "warning: " + warning + "\n";
  }
  return text;
}

std::string limits_table(const ScalingPoint& point, std::size_t rows) {
  std::string text = formatted(
      "%d threads, what loses most: percent of all cores' time; work in ms, cut for 1 and for %d\n"
      "%6s = %6s +%6s +%6s +%6s +%6s %8s %8s %5s %6s  %s\n",
      point.threads, point.threads, "lost", "serial", "idle", "over", "pieces", "memory", "work 1",
      formatted("work %d", point.threads).c_str(), "loops", "tasks", "operator");
  for (std::size_t i = 0; i < std::min(rows, point.rows.size()); ++i) {
    const ScalingRow& row = point.rows[i];
    const auto share = [&](double lost) { return percent(lost, point); };
    text += formatted("%6.1f = %6.1f +%6.1f +%6.1f +%6.1f +%6.1f %8.3f %8.3f %5lld %6lld  %s\n", share(row.lost_sum()),
                      share(row.lost.serial), share(row.lost.idle), share(row.lost.overhead), share(row.pieces),
                      share(row.lost.bandwidth), row.work_on_one / kMillisecond, row.work / kMillisecond,
                      static_cast<long long>(row.loops), static_cast<long long>(row.tasks),
                      cut(row.label.name + " " + row.label.shapes, kNameColumns).c_str());
  }
  return text;
}

}  // namespace backflow::train
