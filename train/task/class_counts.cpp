#include <backflow/train/task/class_counts.h>

#include <algorithm>
#include <utility>

#include <backflow/ops/functions.h>

namespace backflow::train {

ClassCounts::ClassCounts(std::int64_t classes, std::vector<std::int64_t> top_k)
    : classes_(classes), top_k_(std::move(top_k)) {}

std::vector<std::int64_t> ClassCounts::of(const Tensor& scores, const Tensor& target) const {
  check(scores.dim() == 2 && scores.size(1) == classes_ && target.dim() == 1 && target.size(0) == scores.size(0) &&
            target.scalar_type() == kInt64,
        "metrics: scores ", describe(scores), " for classes ", describe(target), ": need f32[positions, ", classes_,
        "] and i64[positions]");
  std::vector<std::int64_t> counts(size());
  const Tensor rows = contiguous(scores);
  const Tensor classes = contiguous(target);
  dispatch_floating(rows.scalar_type(), "metrics", [&](auto zero) {
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
      add(rows.const_data_ptr<decltype(zero)>() + i * classes_, classes.const_data_ptr<std::int64_t>()[i], counts);
    }
  });
  return counts;
}

template <class T>
void ClassCounts::add(const T* scores, std::int64_t target, std::vector<std::int64_t>& counts) const {
  check(target >= 0 && target < classes_, "metrics: class ", target, ": need one from 0 to ", classes_ - 1);
  const std::int64_t predicted = std::max_element(scores, scores + classes_) - scores;
  ++counts[at_positions()];
  counts[at_hits()] += predicted == target ? 1 : 0;
  counts[at_class(target)] += predicted == target ? 1 : 0;
  ++counts[at_class(target) + 1];
  ++counts[at_class(predicted) + 2];
  if (has_confusion()) {
    ++counts[at_confusion(target) + static_cast<std::size_t>(predicted)];
  }
  if (top_k_.empty()) {
    return;
  }
  std::int64_t better = 0;
  for (std::int64_t c = 0; c < classes_; ++c) {
    better += scores[c] > scores[target] || (c < target && scores[c] == scores[target]) ? 1 : 0;
  }
  const bool is_number = scores[target] == scores[target];
  for (std::size_t i = 0; i < top_k_.size(); ++i) {
    counts[at_top(i)] += is_number && better < top_k_[i] ? 1 : 0;
  }
}

}  // namespace backflow::train
