#include <backflow/train/report/series.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace backflow::train {
namespace {

constexpr std::size_t kMostBuckets = 16384;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace

void Series::merge(Bucket& into, const Bucket& next) {
  if (next.finite > 0) {
    into.least = into.finite > 0 ? std::min(into.least, next.least) : next.least;
    into.most = into.finite > 0 ? std::max(into.most, next.most) : next.most;
    into.latest = next.latest;
  }
  into.last = next.last;
  into.values += next.values;
  into.finite += next.finite;
  into.sum += next.sum;
}

void Series::add(std::int64_t step, double value) {
  if (!buckets_.empty() && step <= buckets_.back().last) {
    cut(step);
  }
  Bucket one{.first = step, .last = step, .values = 1};
  if (std::isfinite(value)) {
    one.finite = 1;
    one.sum = one.least = one.most = one.latest = value;
  } else {
    ++not_finite_;
  }
  if (!buckets_.empty() && buckets_.back().values < width_) {
    merge(buckets_.back(), one);
    return;
  }
  if (buckets_.size() == kMostBuckets) {
    halve();
  }
  buckets_.push_back(one);
}

void Series::cut(std::int64_t step) {
  while (!buckets_.empty() && buckets_.back().first >= step) {
    buckets_.pop_back();
  }
  if (!buckets_.empty()) {
    // A merged bucket keeps what it has: its values can't be told apart any more.
    buckets_.back().last = std::min(buckets_.back().last, step - 1);
  }
}

void Series::halve() {
  for (std::size_t i = 0; 2 * i < buckets_.size(); ++i) {
    Bucket both = buckets_[2 * i];
    if (2 * i + 1 < buckets_.size()) {
      merge(both, buckets_[2 * i + 1]);
    }
    buckets_[i] = both;
  }
  buckets_.resize((buckets_.size() + 1) / 2);
  width_ *= 2;
}

double Series::last() const {
  const auto found = std::find_if(buckets_.rbegin(), buckets_.rend(), [](const Bucket& b) { return b.finite > 0; });
  return found == buckets_.rend() ? kNone : found->latest;
}

double Series::least() const {
  double least = kNone;
  for (const Bucket& bucket : buckets_) {
    if (bucket.finite > 0) {
      least = std::fmin(least, bucket.least);
    }
  }
  return least;
}

double Series::most() const {
  double most = kNone;
  for (const Bucket& bucket : buckets_) {
    if (bucket.finite > 0) {
      most = std::fmax(most, bucket.most);
    }
  }
  return most;
}

std::vector<Series::Point> Series::points(std::size_t at_most) const {
  const std::size_t group = (buckets_.size() + at_most - 1) / std::max<std::size_t>(at_most, 1);
  std::vector<Point> points;
  for (std::size_t i = 0; i < buckets_.size(); i += group) {
    Bucket merged = buckets_[i];
    for (std::size_t j = i + 1; j < std::min(i + group, buckets_.size()); ++j) {
      merge(merged, buckets_[j]);
    }
    points.push_back(
        {merged.last, merged.finite > 0 ? merged.sum / static_cast<double>(merged.finite) : kNone, merged.values});
  }
  return points;
}

}  // namespace backflow::train
