#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace backflow::train {

/// Which values of a metric are better.
enum class Better { Lower, Higher };

/// One number that a task measures.
struct MetricInfo {
  std::string name;  ///< as metrics.jsonl has it: "loss", "accuracy", "top5", "f1", "r2"
  Better better = Better::Lower;
};

/// What one batch contributes to the metrics. Ranks evaluate different batches. `parts` of all batches are merged in
/// the order of the batches, so no bit depends on the number of ranks.
struct BatchMeasure {
  std::vector<double> parts;         ///< of one length for all batches
  std::vector<std::int64_t> counts;  ///< whole numbers that are added up; of one length for all batches
};

/// The same of all batches: parts in the order of the batches, counts added up.
struct DataMeasure {
  std::vector<std::vector<double>> parts;
  std::vector<std::int64_t> counts;
  std::int64_t samples = 0;
};

/// Of one class or label, for tables.
struct ClassRow {
  std::string name;
  std::int64_t samples = 0;    ///< that are of this class
  std::int64_t predicted = 0;  ///< that the model takes for it
  double precision = 0;        ///< 0 where nothing is predicted
  double recall = 0;           ///< 0 where there is no sample
  double f1 = 0;
};

/// What an evaluation found.
struct Evaluation {
  std::int64_t samples = 0;
  std::vector<std::pair<std::string, double>> metrics;  ///< "loss" first, in the order of Task::metrics()
  std::vector<ClassRow> classes;                        ///< empty for tasks without classes
  std::vector<std::vector<std::int64_t>> confusion;     ///< rows: the class; columns: the predicted one; may be empty

  /// Throws Error for a name that it does not have.
  double metric(const std::string& name) const;
  double loss() const { return metric("loss"); }
};

/// The row of a class of which `hits` of `samples` samples, and of `predicted` predictions, are right.
ClassRow class_row(std::string name, std::int64_t hits, std::int64_t samples, std::int64_t predicted);

/// Adds the metrics "precision", "recall" and "f1": means over the classes that occur in the data or the predictions.
void add_means_over_classes(Evaluation& evaluation);

}  // namespace backflow::train
