#pragma once

#include <string>

#include <backflow/io/metrics.h>
#include <backflow/train/task/metrics.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// "test loss 0.2700, test accuracy 0.9120": the loss and the task's headline.
std::string headline_text(const Task& task, const Evaluation& evaluation, const std::string& split);

/// The fields of an "eval" line of metrics.jsonl after those that say when: all metrics by their names.
void append_metrics(const Evaluation& evaluation, io::MetricRecord& record, const std::string& prefix = "");

/// The fields of a "confusion" line.
io::MetricRecord confusion_record(const Evaluation& evaluation, const std::string& split, std::int64_t step);
/// Whether there is one: more classes make a line too long for metrics.jsonl.
bool has_confusion_record(const Evaluation& evaluation);

/// A table for people: of each class its samples, what was predicted, precision, recall and F1. Empty without classes.
std::string class_table(const Evaluation& evaluation);

}  // namespace backflow::train
