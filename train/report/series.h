#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace backflow::train {

/// A curve over the steps of a run, in bounded memory however long the run is: beyond 16,384 values neighbours are
/// merged into their mean. Not thread-safe.
class Series {
 public:
  /// The values of one or more neighbouring steps.
  struct Point {
    std::int64_t step = 0;    ///< the last one
    double mean = 0;          ///< of the finite values; NaN if there is none
    std::int64_t values = 0;  ///< that it stands for
  };

  /// Appends a value. A step that is not above the last one takes the place of all from it on: a resumed run computes
  /// steps again, and the later value counts. NaN and infinities are counted and leave a gap.
  void add(std::int64_t step, double value);
  /// Removes the values from `step` on.
  void cut(std::int64_t step);

  bool empty() const { return buckets_.empty(); }
  std::int64_t last_step() const { return buckets_.empty() ? 0 : buckets_.back().last; }
  /// The last finite value, the least and the largest one; NaN if there is none.
  double last() const;
  double least() const;
  double most() const;
  std::int64_t not_finite() const { return not_finite_; }
  /// The curve, with neighbours merged so that there are no more points than `at_most`, at least 1.
  std::vector<Point> points(std::size_t at_most) const;

 private:
  struct Bucket {
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int64_t values = 0;  ///< those that are not finite included
    std::int64_t finite = 0;
    double sum = 0;
    double least = 0;
    double most = 0;
    double latest = 0;  ///< the last finite value
  };
  static void merge(Bucket& into, const Bucket& next);
  void halve();

  std::vector<Bucket> buckets_;
  std::int64_t width_ = 1;  ///< values that a full bucket holds
  std::int64_t not_finite_ = 0;
};

}  // namespace backflow::train
