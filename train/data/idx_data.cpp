#include <backflow/train/data/idx_data.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include <backflow/io/datasets/idx.h>
#include <backflow/ops/functions.h>

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

void check_below(const Tensor& labels, const std::string& file, std::int64_t bound, const std::string& need) {
  const auto* label = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if (label[i] >= bound) {
      fail_label(file, i, label[i], need);
    }
  }
}

DimVector sample_shape(const Tensor& images) {
  DimVector shape(images.sizes());
  if (shape.size() == 3) {
    shape[0] = 1;
  } else {
    shape.erase(0);
  }
  return shape;
}

}  // namespace

void check_classes(const TensorSource& source, const std::string& labels, std::int64_t classes,
                   const std::string& whose) {
  check_below(source.targets(), labels, classes,
              to_text("one of the ", classes, " classes of ", whose, ", from 0 to ", classes - 1));
}

std::shared_ptr<const TensorSource> load_idx(const std::string& images, const std::string& labels) {
  Tensor samples = io::read_idx(images);
  Tensor classes = read_labels(labels);
  check(samples.scalar_type() == kUInt8 && samples.dim() >= 2, images, ": holds ", describe(samples),
        ": need samples of unsigned bytes, [n, ...]");
  check(samples.size(0) == classes.size(0), labels, ": ", classes.size(0), " classes for ", samples.size(0),
        " samples in ", images, ": need one for each");
  const std::int64_t n = samples.size(0);
  check(n > 0, images, ": no samples: need at least one");
  check(samples.numel() > 0, images, ": holds ", describe(samples), ": need samples that are not empty");
  const std::int64_t most = std::max(kFewClasses, kMostClassesPerSample * n);
  check_below(classes, labels, most,
              to_text("a class below ", most, ", that is below ", kFewClasses, " or ", kMostClassesPerSample,
                      " times the number of samples, ", n));
  const auto* first = classes.const_data_ptr<std::int64_t>();
  DataInfo info;
  info.sample_shape = sample_shape(samples);
  info.classes = *std::max_element(first, first + n) + 1;
  return std::make_shared<TensorSource>(std::move(samples), std::move(classes), std::move(info), images);
}

}  // namespace backflow::train
