#include <backflow/ops/kernels/elementwise/clip.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/strided.h>

namespace backflow::kernels {
namespace {

/// Elements of a tensor that lie one after the other.
struct Row {
  Tensor elements;
  std::int64_t steps_before;  ///< of kRangeStep elements, in the rows before
};

/// Tensors as rows; `others` are those whose elements are strided.
struct Rows {
  std::vector<Row> rows;
  std::vector<Tensor> others;
  std::int64_t steps = 0;
  std::int64_t bytes = 0;

  explicit Rows(std::span<const Tensor> tensors) {
    for (const Tensor& x : tensors) {
      const Blocked blocks = may_be_blocked(x) ? any_blocks(x) : Blocked();
      if (x.numel() == 0) {
        continue;
      }
      if (!blocks && !x.is_contiguous()) {
        others.push_back(x);
        continue;
      }
      rows.push_back({blocks ? blocks.elements : x, steps});
      steps += chunks_of(rows.back().elements.numel(), kRangeStep);
      bytes += static_cast<std::int64_t>(x.nbytes());
    }
  }
  /// Whether two rows have elements in common: then one has to come after the other.
  bool overlap() const {
    std::vector<std::pair<const std::byte*, const std::byte*>> ranges;
    for (const Row& row : rows) {
      const auto* const data = static_cast<const std::byte*>(row.elements.const_data_ptr());
      ranges.emplace_back(data, data + row.elements.nbytes());
    }
    std::sort(ranges.begin(), ranges.end());
    return std::adjacent_find(ranges.begin(), ranges.end(),
                              [](const auto& a, const auto& b) { return b.first < a.second; }) != ranges.end();
  }
};

/// Calls f(data, n) for pieces of n elements of x, from `begin` to `end`, in the type that they are computed in.
template <class F>
void change(const Tensor& x, std::int64_t begin, std::int64_t end, const F& f) {
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    T* const data = x.mutable_data_ptr<T>();
    if constexpr (std::is_same_v<T, BFloat16>) {
      alignas(64) std::array<float, kRangeStep> wide;
      for (std::int64_t i = begin; i < end; i += kRangeStep) {
        const std::int64_t n = std::min(kRangeStep, end - i);
        std::copy_n(data + i, n, wide.data());
        f(wide.data(), static_cast<std::size_t>(n));
        std::copy_n(wide.data(), n, data + i);
      }
    } else if constexpr (std::is_floating_point_v<T>) {
      f(data + begin, static_cast<std::size_t>(end - begin));
    }
  });
}

/// The same for all elements. No sum is cut: the cut is free.
template <class F>
void change_all(const Rows& all, const F& f) {
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    auto row = std::prev(std::upper_bound(all.rows.begin(), all.rows.end(), begin,
                                          [](std::int64_t step, const Row& r) { return step < r.steps_before; }));
    for (; row != all.rows.end() && row->steps_before < end; ++row) {
      const std::int64_t numel = row->elements.numel();
      change(row->elements, std::max<std::int64_t>(0, begin - row->steps_before) * kRangeStep,
             std::min(numel, (end - row->steps_before) * kRangeStep), f);
    }
  };
  parallel_ranges(all.steps, 2 * kNanosecondsPerByte * static_cast<double>(all.bytes), run);
}

/// Calls one(x) for tensors that no loop can share, and returns the others.
template <class One>
Rows change_some(std::span<const Tensor> tensors, const One& one) {
  Rows all(tensors);
  if (all.overlap()) {
    std::for_each(tensors.begin(), tensors.end(), one);
    return Rows({});
  }
  std::for_each(all.others.begin(), all.others.end(), one);
  return all;
}

/// Factors whose product is `factor`, none of them below `least` but the last.
std::vector<double> steps_of(double factor, double least) {
  const double part = std::sqrt(least);
  std::vector<double> steps;
  for (; factor > 0 && factor < least; factor /= part) {
    steps.push_back(part);
  }
  steps.push_back(factor);
  return steps;
}

}  // namespace

void multiply_all(std::span<const Tensor> tensors, double factor) {
  const std::vector<double> of_double = steps_of(factor, std::numeric_limits<double>::min());
  const std::vector<double> of_float = steps_of(factor, static_cast<double>(std::numeric_limits<float>::min()));
  for (std::size_t i = 0; i < of_float.size(); ++i) {  // there are at least as many as of_double has
    const double for_double = i < of_double.size() ? of_double[i] : 1;
    const Rows rows = change_some(tensors, [&](const Tensor& x) {
      binary(functions::Mul{}, x, x, x.scalar_type() == kFloat64 ? for_double : of_float[i]);
    });
    change_all(rows, [&]<class C>(C* x, std::size_t n) {
      const C number = static_cast<C>(std::is_same_v<C, double> ? for_double : of_float[i]);
      binary_loop<C>(functions::Mul{})({x, Stride::One}, {&number, Stride::Zero}, x, n, nullptr);
    });
  }
}

void clamp_all(std::span<const Tensor> tensors, double least, double most) {
  const Params params{least, most, 0};
  const Rows rows = change_some(tensors, [&](const Tensor& x) { unary(functions::Clamp{}, x, x, params); });
  change_all(rows, [&]<class C>(C* x, std::size_t n) {
    const std::array<C, 3> numbers{static_cast<C>(least), static_cast<C>(most), 0};
    unary_loop<C>(functions::Clamp{})(x, x, n, numbers.data());
  });
}

}  // namespace backflow::kernels
