#include <backflow/train/task/metrics.h>

#include <algorithm>

#include <backflow/runtime/base/error.h>

namespace backflow::train {
namespace {

double ratio(std::int64_t part, std::int64_t all) {
  return all > 0 ? static_cast<double>(part) / static_cast<double>(all) : 0;
}

}  // namespace

double Evaluation::metric(const std::string& name) const {
  const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const auto& m) { return m.first == name; });
  check(found != metrics.end(), "evaluation: no metric '", name, "': need one of the task");
  return found->second;
}

ClassRow class_row(std::string name, std::int64_t hits, std::int64_t samples, std::int64_t predicted) {
  return {.name = std::move(name),
          .samples = samples,
          .predicted = predicted,
          .precision = ratio(hits, predicted),
          .recall = ratio(hits, samples),
          .f1 = ratio(2 * hits, samples + predicted)};
}

void add_means_over_classes(Evaluation& evaluation) {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
  double n = 0;
  for (const ClassRow& row : evaluation.classes) {
    if (row.samples > 0 || row.predicted > 0) {
      precision += row.precision;
      recall += row.recall;
      f1 += row.f1;
      n += 1;
    }
  }
  const double divisor = std::max(n, 1.0);
  evaluation.metrics.emplace_back("precision", precision / divisor);
  evaluation.metrics.emplace_back("recall", recall / divisor);
  evaluation.metrics.emplace_back("f1", f1 / divisor);
}

}  // namespace backflow::train
