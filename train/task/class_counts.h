#pragma once

#include <cstdint>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::train {

/// Of more classes, the confusion matrix is left out.
inline constexpr std::int64_t kMostConfusedClasses = 256;

/// Whole numbers that a classification is measured by, one after the other:
///
///   positions, hits, hits among the k best for each k,
///   for each class: hits, positions of this class, positions taken for it,
///   the confusion matrix, row by row, if there is one
class ClassCounts {
 public:
  ClassCounts(std::int64_t classes, std::vector<std::int64_t> top_k);

  /// The counts of scores [positions, classes] and classes int64 [positions]. Of equal scores the first counts.
  std::vector<std::int64_t> of(const Tensor& scores, const Tensor& target) const;

  std::int64_t classes() const { return classes_; }
  const std::vector<std::int64_t>& top_k() const { return top_k_; }
  bool has_confusion() const { return classes_ <= kMostConfusedClasses; }
  static std::size_t at_positions() { return 0; }
  static std::size_t at_hits() { return 1; }
  static std::size_t at_top(std::size_t i) { return 2 + i; }
  /// Hits, positions and predictions of a class.
  std::size_t at_class(std::int64_t c) const { return 2 + top_k_.size() + 3 * static_cast<std::size_t>(c); }
  std::size_t at_confusion(std::int64_t row) const {
    return at_class(classes_) + static_cast<std::size_t>(row * classes_);
  }
  std::size_t size() const { return has_confusion() ? at_confusion(classes_) : at_class(classes_); }

 private:
  template <class T>
  void add(const T* scores, std::int64_t target, std::vector<std::int64_t>& counts) const;

  std::int64_t classes_;
  std::vector<std::int64_t> top_k_;
};

}  // namespace backflow::train
