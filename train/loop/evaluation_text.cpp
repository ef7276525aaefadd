#include <backflow/train/loop/evaluation_text.h>

#include <algorithm>

#include <backflow/train/formatted.h>

namespace backflow::train {
namespace {

constexpr std::size_t kMostClassesInARecord = 100;

/// "test accuracy" of "accuracy"; a name of one word reads better so than with an underscore.
std::string of_split(const std::string& split, const std::string& metric) {
  std::string words = split + " " + metric;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

}  // namespace

std::string headline_text(const Task& task, const Evaluation& evaluation, const std::string& split) {
  const std::string headline = task.headline();
  return formatted("%s %.4f, %s %.4f", of_split(split, "loss").c_str(), evaluation.loss(),
                   of_split(split, headline).c_str(), evaluation.metric(headline));
}

void append_metrics(const Evaluation& evaluation, io::MetricRecord& record, const std::string& prefix) {
  for (const auto& [name, value] : evaluation.metrics) {
    record.emplace_back(prefix + name, value);
  }
}

bool has_confusion_record(const Evaluation& evaluation) {
  return !evaluation.confusion.empty() && evaluation.confusion.size() <= kMostClassesInARecord;
}

io::MetricRecord confusion_record(const Evaluation& evaluation, const std::string& split, std::int64_t step) {
  std::vector<std::string> names;
  for (const ClassRow& row : evaluation.classes) {
    names.push_back(row.name);
  }
  return {{"split", split}, {"step", step}, {"classes", names}, {"matrix", evaluation.confusion}};
}

std::string class_table(const Evaluation& evaluation) {
  if (evaluation.classes.empty()) {
    return "";
  }
  std::size_t width = std::string("class").size();
  for (const ClassRow& row : evaluation.classes) {
    width = std::clamp(row.name.size(), width, std::size_t{40});
  }
  const auto columns = static_cast<int>(width);
  std::string text = formatted("%-*s  samples  predicted  precision  recall      f1\n", columns, "class");
  for (const ClassRow& row : evaluation.classes) {
    text += formatted("%-*.*s  %7lld  %9lld  %9.4f  %6.4f  %6.4f\n", columns, columns, row.name.c_str(),
                      static_cast<long long>(row.samples), static_cast<long long>(row.predicted), row.precision,
                      row.recall, row.f1);
  }
  return text;
}

}  // namespace backflow::train
