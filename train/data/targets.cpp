#include <backflow/train/data/targets.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <backflow/ops/functions.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::train {
namespace {

constexpr std::int64_t kMaxClasses = 1 << 24;
constexpr std::int64_t kFewClasses = 1000;          // as many may always be left out by the samples
constexpr std::int64_t kMostClassesPerSample = 10;  // of more classes than those

template <class T>
[[noreturn]] void fail_label(const std::string& file, std::int64_t sample, T label, const std::string& need) {
  fail(file, ": sample ", sample, ", counted from 0, has the label ", label, ": need ", need);
}

/// Calls f(index, value) for each element, as the type it has.
template <class F>
void for_each(const Tensor& x, const F& f) {
  dispatch_numeric(x.scalar_type(), "data", [&](auto zero) {
    using T = decltype(zero);
    const T* value = x.const_data_ptr<T>();
    using Shown = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      f(i, static_cast<Shown>(value[i]));
    }
  });
}

void check_below(const Tensor& labels, const std::string& file, std::int64_t bound, const std::string& need) {
  const auto* label = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if (label[i] >= bound) {
      fail_label(file, i, label[i], need);
    }
  }
}

Tensor make_classes(const Tensor& raw, const std::string& file, DataInfo& info) {
  const std::int64_t n = raw.size(0);
  check(raw.numel() == n, file, ": holds ", describe(raw), ": need one class for each sample, [n]");
  for_each(raw, [&](std::int64_t i, auto label) {
    const auto x = static_cast<double>(label);
    if (!(x >= 0 && x < kMaxClasses && x == std::floor(x))) {
      fail_label(file, i, label, to_text("a class, a whole number from 0 to ", kMaxClasses - 1));
    }
  });
  Tensor classes = to(raw, kInt64).reshape({n});
  const std::int64_t most = std::max(kFewClasses, kMostClassesPerSample * n);
  check_below(classes, file, most,
              to_text("a class below ", most, ", that is below ", kFewClasses, " or ", kMostClassesPerSample,
                      " times the number of samples, ", n));
  info.target = TargetKind::Class;
  if (!info.class_names.empty()) {
    info.classes = static_cast<std::int64_t>(info.class_names.size());
    check_below(
        classes, file, info.classes,
        to_text("one of the ", info.classes, " classes that data.class_names names, from 0 to ", info.classes - 1));
    return classes;
  }
  const auto* first = classes.const_data_ptr<std::int64_t>();
  info.classes = *std::max_element(first, first + n) + 1;
  return classes;
}

Tensor make_numbers(const Tensor& raw, const std::string& file, TargetKind kind, DataInfo& info) {
  DimVector shape(raw.sizes());
  shape.erase(0);
  if (shape.empty()) {
    shape.push_back(1);
  }
  const std::int64_t length = numel_of(shape);
  for_each(raw, [&](std::int64_t i, auto value) {
    const auto x = static_cast<double>(value);
    if (kind == TargetKind::Labels && x != 0 && x != 1) {
      fail_label(file, i / length, value, "0 or 1");
    }
    check(std::isfinite(x), file, ": sample ", i / length, ", counted from 0, has the target ", x,
          ": need finite numbers");
  });
  info.target = kind;
  info.target_shape = shape;
  shape.insert(0, raw.size(0));
  return to(raw, kFloat64).reshape(shape);
}

bool is_zero_or_one(const Tensor& x) {
  bool result = true;
  for_each(x, [&](std::int64_t, auto value) { result = result && (value == 0 || value == 1); });
  return result;
}

std::string suggested(const Tensor& raw) {
  if (raw.is_floating_point()) {
    return "values";
  }
  if (raw.numel() == raw.size(0)) {
    return "class";
  }
  return raw.dim() == 2 && is_zero_or_one(raw) ? "labels" : "values";
}

}  // namespace

Tensor make_targets(const Tensor& raw, std::int64_t samples, const std::string& wanted, const std::string& file,
                    DataInfo& info) {
  if (wanted == "input") {
    info.target = TargetKind::Input;
    info.target_shape = info.sample_shape;
    return {};
  }
  check(raw.dim() >= 1 && raw.numel() > 0, file, ": holds ", describe(raw), ": need a target for each sample, [n]");
  check(raw.size(0) == samples, file, ": ", raw.size(0), " targets for ", samples, " samples: need one for each");
  const std::string kind = wanted == "auto" ? suggested(raw) : wanted;
  if (kind == "class") {
    return make_classes(raw, file, info);
  }
  return make_numbers(raw, file, kind == "labels" ? TargetKind::Labels : TargetKind::Values, info);
}

void check_classes(const Tensor& targets, const std::string& file, std::int64_t classes, const std::string& whose) {
  check_below(targets, file, classes,
              to_text("one of the ", classes, " classes of ", whose, ", from 0 to ", classes - 1));
}

void check_finite(const Tensor& samples, const std::string& file, std::span<const std::int64_t> numbers,
                  const std::string& hint) {
  if (!samples.is_floating_point()) {
    return;
  }
  const std::int64_t length = samples.size(0) > 0 ? samples.numel() / samples.size(0) : 0;
  dispatch_floating(samples.scalar_type(), "data", [&](auto zero) {
    const auto* x = samples.const_data_ptr<decltype(zero)>();
    for (std::int64_t i = 0; i < samples.numel(); ++i) {
      if (!std::isfinite(x[i])) {
        const std::int64_t sample = numbers.empty() ? i / length : numbers[static_cast<std::size_t>(i / length)];
        fail(file, ": sample ", sample, ", counted from 0, has the number ", x[i], ": need finite numbers",
             std::isnan(x[i]) ? hint : std::string());
      }
    }
  });
}

}  // namespace backflow::train
