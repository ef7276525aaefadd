#include <backflow/train/task/classification.h>

#include <algorithm>
#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>

namespace backflow::train {
namespace {

constexpr std::int64_t kNoneIgnored = -100;

/// Scores [positions, classes] of [n, classes] or [n, length, classes].
Tensor rows_of(const Tensor& output) {
  check(output.dim() == 2 || output.dim() == 3, "task: outputs ", describe(output),
        ": need scores [n, classes], or [n, length, classes] for tokens");
  return output.dim() == 2 ? output : output.reshape({-1, output.size(2)});
}

bool has_probabilities(const Batch& batch) { return batch.target.is_floating_point(); }

/// Class numbers, int64 [n] or for tokens [n, length], as [positions].
Tensor by_position(const Tensor& target) { return target.dim() == 1 ? target : target.reshape({-1}); }

/// The classes int64 [positions], those of probabilities included.
Tensor classes_of(const Batch& batch) {
  return has_probabilities(batch) ? argmax(batch.target, -1, false) : by_position(batch.target);
}

}  // namespace

Classification::Classification(const TaskOptions& options, DataInfo data)
    : data_(std::move(data)), smoothing_(options.label_smoothing), counts_(data_.classes, options.top_k) {}

DimVector Classification::output_shape() const {
  DimVector shape = {data_.classes};
  if (data_.target == TargetKind::Tokens && !data_.target_shape.empty()) {
    shape.insert(0, data_.target_shape[0]);
  }
  return shape;
}

Tensor Classification::loss_sum(const Tensor& output, const Batch& batch) const {
  const Tensor scores = rows_of(output);
  const Tensor target = has_probabilities(batch) ? batch.target : by_position(batch.target);
  const std::int64_t n = output.size(0);
  const std::int64_t length = n > 0 ? scores.size(0) / n : 1;
  const auto loss = [&](std::int64_t reduction) {
    return cross_entropy_loss(scores, target, {}, reduction, kNoneIgnored, smoothing_);
  };
  if (batch.weight.defined()) {
    const Tensor each = loss(Reduction::None);
    return ((length > 1 ? mean(each.reshape({n, length}), IntArrayRef{1}) : each) * batch.weight).sum();
  }
  const Tensor sum = loss(Reduction::Sum);
  return length > 1 ? sum / static_cast<double>(length) : sum;
}

std::vector<MetricInfo> Classification::metrics() const {
  std::vector<MetricInfo> all = {{"loss", Better::Lower}, {"accuracy", Better::Higher}};
  for (const std::int64_t k : counts_.top_k()) {
    all.push_back({to_text("top", k), Better::Higher});
  }
  for (const char* name : {"precision", "recall", "f1"}) {
    all.push_back({name, Better::Higher});
  }
  return all;
}

BatchMeasure Classification::measure(const Tensor& output, const Batch& batch, double loss_sum) const {
  return {.parts = {loss_sum}, .counts = counts_.of(rows_of(output), classes_of(batch))};
}

std::string Classification::class_name(std::int64_t c) const {
  const auto i = static_cast<std::size_t>(c);
  return i < data_.class_names.size() ? data_.class_names[i] : std::to_string(c);
}

Evaluation Classification::summary(const DataMeasure& data) const {
  Evaluation result{.samples = data.samples, .metrics = {}, .classes = {}, .confusion = {}};
  double loss = 0;
  for (const std::vector<double>& part : data.parts) {
    loss += part[0];
  }
  const std::vector<std::int64_t>& counts = data.counts;
  const auto positions = static_cast<double>(std::max<std::int64_t>(counts[ClassCounts::at_positions()], 1));
  result.metrics.emplace_back("loss", loss / static_cast<double>(std::max<std::int64_t>(data.samples, 1)));
  result.metrics.emplace_back("accuracy", static_cast<double>(counts[ClassCounts::at_hits()]) / positions);
  for (std::size_t i = 0; i < counts_.top_k().size(); ++i) {
    result.metrics.emplace_back(to_text("top", counts_.top_k()[i]),
                                static_cast<double>(counts[ClassCounts::at_top(i)]) / positions);
  }
  for (std::int64_t c = 0; c < counts_.classes(); ++c) {
    const std::size_t at = counts_.at_class(c);
    result.classes.push_back(class_row(class_name(c), counts[at], counts[at + 1], counts[at + 2]));
    if (counts_.has_confusion()) {
      const auto row = counts.begin() + static_cast<std::ptrdiff_t>(counts_.at_confusion(c));
      result.confusion.emplace_back(row, row + counts_.classes());
    }
  }
  add_means_over_classes(result);
  return result;
}

Tensor Classification::predict(const Tensor& output) const { return softmax(output, -1); }

}  // namespace backflow::train
