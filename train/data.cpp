#include <backflow/train/data.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include <backflow/io/idx.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::train {

namespace {

constexpr std::int64_t kMaxClasses = 1 << 24;
constexpr std::int64_t kFewClasses = 1000;          // as many may always be left out by the samples
constexpr std::int64_t kMostClassesPerSample = 10;  // of more classes than those

template <class T>
[[noreturn]] void fail_label(const std::string& file, std::int64_t sample, T label, const std::string& need) {
  fail(file, ": sample ", sample, ", counted from 0, has the label ", label, ": need ", need);
}

/// The classes in a file: whole numbers from 0.
Tensor read_labels(const std::string& file) {
  const Tensor labels = io::read_idx(file);
  check(labels.dim() == 1, file, ": holds ", describe(labels), ": need one class for each sample, [n]");
  dispatch_numeric(labels.scalar_type(), "labels", [&](auto zero) {
    using T = decltype(zero);
    const T* label = labels.const_data_ptr<T>();
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      const auto x = static_cast<double>(label[i]);
      if (!(x >= 0 && x < kMaxClasses && x == std::floor(x))) {
        using Shown = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
        fail_label(file, i, static_cast<Shown>(label[i]),
                   to_text("a class, a whole number from 0 to ", kMaxClasses - 1));
      }
    }
  });
  return to(labels, kInt64);
}

void check_below(const Dataset& dataset, const std::string& file, std::int64_t bound, const std::string& need) {
  const auto* label = dataset.labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    if (label[i] >= bound) {
      fail_label(file, i, label[i], need);
    }
  }
}

}  // namespace

void check_classes(const Dataset& dataset, const std::string& labels, std::int64_t classes, const std::string& whose) {
  check_below(dataset, labels, classes,
              to_text("one of the ", classes, " classes of ", whose, ", from 0 to ", classes - 1));
}

std::int64_t Dataset::num_classes() const {
  const auto* first = labels.const_data_ptr<std::int64_t>();
  return size() == 0 ? 0 : *std::max_element(first, first + size()) + 1;
}

DimVector Dataset::sample_shape() const {
  DimVector shape(images.sizes());
  if (shape.size() == 3) {
    shape[0] = 1;
  } else {
    shape.erase(0);
  }
  return shape;
}

Dataset load_dataset(const std::string& images, const std::string& labels) {
  Dataset dataset{io::read_idx(images), read_labels(labels)};
  check(dataset.images.scalar_type() == kUInt8 && dataset.images.dim() >= 2, images, ": holds ",
        describe(dataset.images), ": need samples of unsigned bytes, [n, ...]");
  check(dataset.images.size(0) == dataset.labels.size(0), labels, ": ", dataset.labels.size(0), " classes for ",
        dataset.images.size(0), " samples in ", images, ": need one for each");
  check(dataset.size() > 0, images, ": no samples: need at least one");
  check(dataset.images.numel() > 0, images, ": holds ", describe(dataset.images), ": need samples that are not empty");
  const std::int64_t most = std::max(kFewClasses, kMostClassesPerSample * dataset.size());
  check_below(dataset, labels, most,
              to_text("a class below ", most, ", that is below ", kFewClasses, " or ", kMostClassesPerSample,
                      " times the number of samples, ", dataset.size()));
  return dataset;
}

BatchMaker::BatchMaker(Dataset dataset, const DataOptions& options, ScalarType dtype)
    : dataset_(std::move(dataset)), dtype_(dtype), value_of_(256) {
  for (std::size_t byte = 0; byte < value_of_.size(); ++byte) {
    value_of_[byte] = (static_cast<double>(byte) / 255 - options.mean) / options.std;
  }
}

Batch BatchMaker::make(const std::vector<std::int64_t>& indices) const {
  const auto n = static_cast<std::int64_t>(indices.size());
  DimVector shape = dataset_.sample_shape();
  shape.insert(0, n);
  Batch batch{empty_tensor(shape, dtype_), empty_tensor({n}, kInt64)};
  const std::int64_t length = n == 0 ? 0 : batch.x.numel() / n;
  dispatch_floating(dtype_, "data", [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> value_of(value_of_.begin(), value_of_.end());
    const double nanoseconds = 0.5 * static_cast<double>(n * length);
    parallel_ranges(n, nanoseconds, [&](std::int64_t i, std::int64_t end) {
      for (; i < end; ++i) {
        const std::int64_t index = indices[static_cast<std::size_t>(i)];
        const auto* from = dataset_.images.const_data_ptr<std::uint8_t>() + index * length;
        std::transform(from, from + length, batch.x.mutable_data_ptr<T>() + i * length,
                       [&](std::uint8_t byte) { return value_of[byte]; });
        batch.target.mutable_data_ptr<std::int64_t>()[i] = dataset_.labels.const_data_ptr<std::int64_t>()[index];
      }
    });
  });
  return batch;
}

}  // namespace backflow::train
