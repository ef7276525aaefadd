#include <backflow/train/task/multi_label.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <backflow/ops/functions.h>

namespace backflow::train {
namespace {

// Counts: samples, samples with all labels right, labels that are right; then for each label: hits, samples that have
// it, samples predicted to have it.
constexpr std::size_t kSamples = 0;
constexpr std::size_t kExact = 1;
constexpr std::size_t kRight = 2;
constexpr std::size_t kLabels = 3;
constexpr std::size_t kPerLabel = 3;

template <class T>
void count_sample(const T* logits, const T* target, std::size_t labels, double least_logit,
                  std::vector<std::int64_t>& counts) {
  bool exact = true;
  for (std::size_t label = 0; label < labels; ++label) {
    const bool predicted = static_cast<double>(logits[label]) >= least_logit;
    const bool present = static_cast<double>(target[label]) >= 0.5;
    std::int64_t* const at = counts.data() + kLabels + kPerLabel * label;
    at[0] += predicted && present ? 1 : 0;
    at[1] += present ? 1 : 0;
    at[2] += predicted ? 1 : 0;
    counts[kRight] += predicted == present ? 1 : 0;
    exact = exact && predicted == present;
  }
  ++counts[kSamples];
  counts[kExact] += exact ? 1 : 0;
}

}  // namespace

MultiLabel::MultiLabel(const TaskOptions& options, DataInfo data)
    : data_(std::move(data)), threshold_(options.threshold), loss_(element_loss(options, "bce")) {}

Tensor MultiLabel::loss_sum(const Tensor& output, const Batch& batch) const {
  return sum_over_samples(loss_, output, batch.target, batch.weight);
}

std::vector<MetricInfo> MultiLabel::metrics() const {
  return {{"loss", Better::Lower},       {"accuracy", Better::Higher}, {"exact_match", Better::Higher},
          {"precision", Better::Higher}, {"recall", Better::Higher},   {"f1", Better::Higher}};
}

BatchMeasure MultiLabel::measure(const Tensor& output, const Batch& batch, double loss_sum) const {
  const Tensor y = contiguous(output);
  const Tensor t = contiguous(fitted_target(output, batch.target));
  const auto labels = static_cast<std::size_t>(numel_of(data_.target_shape));
  check(y.numel() == y.size(0) * static_cast<std::int64_t>(labels), "metrics: outputs ", describe(y), " for ", labels,
        " labels: need one for each");
  BatchMeasure measure{.parts = {loss_sum}, .counts = std::vector<std::int64_t>(kLabels + kPerLabel * labels)};
  const double least_logit = std::log(threshold_ / (1 - threshold_));
  dispatch_floating(y.scalar_type(), "metrics", [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < y.size(0); ++i) {
      const std::int64_t at = i * static_cast<std::int64_t>(labels);
      count_sample(y.const_data_ptr<T>() + at, t.const_data_ptr<T>() + at, labels, least_logit, measure.counts);
    }
  });
  return measure;
}

Evaluation MultiLabel::summary(const DataMeasure& data) const {
  const auto labels = static_cast<std::size_t>(numel_of(data_.target_shape));
  const std::vector<std::int64_t>& counts = data.counts;
  const auto n = static_cast<double>(std::max<std::int64_t>(counts[kSamples], 1));
  double loss = 0;
  for (const std::vector<double>& part : data.parts) {
    loss += part[0];
  }
  const double all = n * std::max(static_cast<double>(labels), 1.0);
  Evaluation result{.samples = data.samples,
                    .metrics = {{"loss", loss / n},
                                {"accuracy", static_cast<double>(counts[kRight]) / all},
                                {"exact_match", static_cast<double>(counts[kExact]) / n}},
                    .classes = {},
                    .confusion = {}};
  for (std::size_t label = 0; label < labels; ++label) {
    const std::int64_t* const at = counts.data() + kLabels + kPerLabel * label;
    const std::string name = label < data_.target_names.size() ? data_.target_names[label] : std::to_string(label);
    result.classes.push_back(class_row(name, at[0], at[1], at[2]));
  }
  add_means_over_classes(result);
  return result;
}

Tensor MultiLabel::predict(const Tensor& output) const { return sigmoid(output); }

}  // namespace backflow::train
