#include <backflow/ops/kernels/normalization/row_norm_loops.h>

#include <algorithm>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/normalization/row_norm_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/vector_math.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls f(offset, loader, storer) on vectors of a row; what lies beyond it is loaded as zeros and not stored.
template <class T, class F>
HWY_INLINE void along_row(std::size_t n, const F& f) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    f(
        i, [d](const T* p) { return hn::LoadU(d, p); }, [d](auto v, T* p) { hn::StoreU(v, d, p); });
  }
  if (i < n) {
    const std::size_t left = n - i;
    f(
        i, [d, left](const T* p) { return load_part(d, p, left); },
        [d, left](auto v, T* p) { store_part(v, d, p, left); });
  }
}

template <class T>
void apply(const T* x, T* y, std::size_t n, T m, T r, T shift, const T* w, const T* b) {
  const hn::ScalableTag<T> d;
  const auto mean = hn::Set(d, m);
  const auto rstd = hn::Set(d, r);
  const auto rest = hn::Set(d, shift);
  const auto run = [&](auto scaled) {
    along_row<T>(n, [&](std::size_t i, auto load, auto store) {
      store(scaled(hn::MulAdd(hn::Sub(load(x + i), mean), rstd, rest), i, load), y + i);
    });
  };
  if (w != nullptr && b != nullptr) {
    run([&](auto v, std::size_t i, auto load) { return hn::MulAdd(v, load(w + i), load(b + i)); });
  } else if (w != nullptr) {
    run([&](auto v, std::size_t i, auto load) { return hn::Mul(v, load(w + i)); });
  } else if (b != nullptr) {
    run([&](auto v, std::size_t i, auto load) { return hn::Add(v, load(b + i)); });
  } else {
    run([](auto v, std::size_t, auto) { return v; });
  }
}

template <class T>
void sums(const T* dy, const T* x, const T* w, std::size_t n, T m, T* sum, T* product) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto mean = hn::Set(d, m);
  auto s0 = hn::Zero(d);
  auto s1 = s0;
  auto p0 = s0;
  auto p1 = s0;
  const auto add = [&](std::size_t i, auto load, auto& s, auto& p) {
    const auto g = w == nullptr ? load(dy + i) : hn::Mul(load(dy + i), load(w + i));
    s = hn::Add(s, g);
    p = hn::MulAdd(g, hn::Sub(load(x + i), mean), p);  // beyond the row, g is zero
  };
  const auto whole = [d](const T* p) { return hn::LoadU(d, p); };
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    add(i, whole, s0, p0);
    add(i + lanes, whole, s1, p1);
  }
  along_row<T>(n - i, [&](std::size_t k, auto load, auto) { add(i + k, load, s0, p0); });
  *sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
  *product = hn::GetLane(hn::SumOfLanes(d, hn::Add(p0, p1)));
}

template <class T>
void gradient(const T* dy, const T* x, const T* w, T* dx, std::size_t n, T m, T r, T k, T c) {
  const hn::ScalableTag<T> d;
  const auto mean = hn::Set(d, m);
  const auto rstd = hn::Set(d, r);
  const auto of_x = hn::Set(d, k);
  const auto term = hn::Set(d, c);
  along_row<T>(n, [&](std::size_t i, auto load, auto store) {
    const auto g = w == nullptr ? load(dy + i) : hn::Mul(load(dy + i), load(w + i));
    store(hn::MulAdd(g, rstd, hn::MulAdd(hn::Sub(load(x + i), mean), of_x, term)), dx + i);
  });
}

template <class T>
void parameters(const T* dy, const T* x, std::size_t n, T m, T r, T* dw, T* db) {
  const hn::ScalableTag<T> d;
  const auto mean = hn::Set(d, m);
  const auto rstd = hn::Set(d, r);
  along_row<T>(n, [&](std::size_t i, auto load, auto store) {
    const auto g = load(dy + i);
    store(hn::MulAdd(hn::Mul(hn::Sub(load(x + i), mean), rstd), g, load(dw + i)), dw + i);
    store(hn::Add(load(db + i), g), db + i);
  });
}

template <class T>
void add_rows(const T* x, std::size_t rows, std::size_t ld, std::size_t n, double* y) {
  constexpr std::size_t kBlock = 64;  // columns whose sums stay in registers
  std::size_t j = 0;
  for (; j + kBlock <= n; j += kBlock) {
    double sums[kBlock] = {};
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t k = 0; k < kBlock; ++k) {
        sums[k] += static_cast<double>(x[i * ld + j + k]);
      }
    }
    std::copy_n(sums, kBlock, y + j);
  }
  for (; j < n; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      sum += static_cast<double>(x[i * ld + j]);
    }
    y[j] = sum;
  }
}

template <class T>
const RowNormLoops<T>* row_norms() {
  static constexpr RowNormLoops<T> kLoops = {apply<T>, sums<T>, gradient<T>, parameters<T>, add_rows<T>};
  return &kLoops;
}

const RowNormLoops<float>* f32_row_norms() { return row_norms<float>(); }
const RowNormLoops<double>* f64_row_norms() { return row_norms<double>(); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(f32_row_norms);
HWY_EXPORT(f64_row_norms);

template <>
const RowNormLoops<float>& row_norm_loops<float>() {
  return *HWY_DYNAMIC_DISPATCH(f32_row_norms)();
}
template <>
const RowNormLoops<double>& row_norm_loops<double>() {
  return *HWY_DYNAMIC_DISPATCH(f64_row_norms)();
}

}  // namespace backflow::kernels
#endif
