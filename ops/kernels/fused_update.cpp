#include <backflow/ops/kernels/fused_update.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include <backflow/runtime/threads.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/fused_update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// What all instruction sets share; the guard is Highway's way of having it once.
#ifndef BACKFLOW_FUSED_UPDATE_ONCE
#define BACKFLOW_FUSED_UPDATE_ONCE
namespace backflow::kernels {

/// SgdNumbers in the dtype of the parameters.
template <class T>
struct SgdFactors {
  T minus_lr;
  T momentum;
  T one_minus_dampening;
  T weight_decay;
};

enum class Momentum { None, First, Classic, FirstNesterov, Nesterov };

}  // namespace backflow::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The update of one vector, or of one number: `p` and `b` in place.
template <Momentum kMomentum, class V, class Add, class Mul>
HWY_INLINE void sgd_step(V& p, V g, V& b, const SgdFactors<V>& f, bool decay, const Add& add, const Mul& mul) {
  if (decay) {
    g = add(g, mul(f.weight_decay, p));
  }
  if constexpr (kMomentum == Momentum::First || kMomentum == Momentum::FirstNesterov) {
    b = g;
  } else if constexpr (kMomentum != Momentum::None) {
    b = add(mul(b, f.momentum), mul(f.one_minus_dampening, g));
  }
  if constexpr (kMomentum == Momentum::Nesterov || kMomentum == Momentum::FirstNesterov) {
    g = add(g, mul(f.momentum, b));
  } else if constexpr (kMomentum != Momentum::None) {
    g = b;
  }
  p = add(p, mul(f.minus_lr, g));
}

template <Momentum kMomentum, class T>
void sgd_loop(T* p, const T* g, T* b, std::size_t n, const SgdFactors<T>& f) {
  constexpr bool kReads = kMomentum == Momentum::Classic || kMomentum == Momentum::Nesterov;
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t lanes = hn::Lanes(d);
  const SgdFactors<V> factors = {hn::Set(d, f.minus_lr), hn::Set(d, f.momentum), hn::Set(d, f.one_minus_dampening),
                                 hn::Set(d, f.weight_decay)};
  const bool decay = f.weight_decay != 0;
  const auto add = [](auto x, auto y) HWY_ATTR { return hn::Add(x, y); };
  const auto mul = [](auto x, auto y) HWY_ATTR { return hn::Mul(x, y); };
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    V vp = hn::LoadU(d, p + i);
    V vb = kReads ? hn::LoadU(d, b + i) : hn::Zero(d);
    sgd_step<kMomentum>(vp, V(hn::LoadU(d, g + i)), vb, factors, decay, add, mul);
    hn::StoreU(vp, d, p + i);
    if constexpr (kMomentum != Momentum::None) {
      hn::StoreU(vb, d, b + i);
    }
  }
  for (; i < n; ++i) {
    T buffer = kReads ? b[i] : T{0};
    sgd_step<kMomentum>(
        p[i], g[i], buffer, f, decay, [](T x, T y) { return x + y; }, [](T x, T y) { return x * y; });
    if constexpr (kMomentum != Momentum::None) {
      b[i] = buffer;
    }
  }
}

template <class T>
void sgd_piece(T* p, const T* g, T* b, std::size_t n, const SgdFactors<T>& f, Momentum momentum) {
  switch (momentum) {
    case Momentum::None:
      return sgd_loop<Momentum::None>(p, g, b, n, f);
    case Momentum::First:
      return sgd_loop<Momentum::First>(p, g, b, n, f);
    case Momentum::Classic:
      return sgd_loop<Momentum::Classic>(p, g, b, n, f);
    case Momentum::FirstNesterov:
      return sgd_loop<Momentum::FirstNesterov>(p, g, b, n, f);
    case Momentum::Nesterov:
      return sgd_loop<Momentum::Nesterov>(p, g, b, n, f);
  }
}

void sgd_f32(float* p, const float* g, float* b, std::size_t n, const SgdFactors<float>& f, Momentum momentum) {
  sgd_piece(p, g, b, n, f, momentum);
}
void sgd_f64(double* p, const double* g, double* b, std::size_t n, const SgdFactors<double>& f, Momentum momentum) {
  sgd_piece(p, g, b, n, f, momentum);
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(sgd_f32);
HWY_EXPORT(sgd_f64);

namespace {

constexpr std::int64_t kChunk = 32 * 1024;  // elements of one task; several small parameters share one

/// Elements [begin, begin + n) of one operand.
struct Piece {
  const SgdOperand* operand;
  std::int64_t begin;
  std::int64_t n;
};

/// The operands' elements in tasks: the pieces of task i are those from ends[i - 1] to ends[i].
struct Tasks {
  std::vector<Piece> pieces;
  std::vector<std::size_t> ends;
};

Tasks cut(std::span<const SgdOperand> operands) {
  Tasks tasks;
  std::int64_t room = kChunk;
  for (const SgdOperand& operand : operands) {
    const std::int64_t numel = operand.parameter.numel();
    for (std::int64_t begin = 0; begin < numel;) {
      const std::int64_t n = std::min(room, numel - begin);
      tasks.pieces.push_back({&operand, begin, n});
      begin += n;
      room -= n;
      if (room == 0) {
        tasks.ends.push_back(tasks.pieces.size());
        room = kChunk;
      }
    }
  }
  if (room != kChunk) {
    tasks.ends.push_back(tasks.pieces.size());
  }
  return tasks;
}

void run(const float* g, float* p, float* b, std::size_t n, const SgdFactors<float>& f, Momentum momentum) {
  HWY_DYNAMIC_DISPATCH(sgd_f32)(p, g, b, n, f, momentum);
}
void run(const double* g, double* p, double* b, std::size_t n, const SgdFactors<double>& f, Momentum momentum) {
  HWY_DYNAMIC_DISPATCH(sgd_f64)(p, g, b, n, f, momentum);
}

void run(const Piece& piece, const SgdNumbers& numbers) {
  const SgdOperand& operand = *piece.operand;
  Momentum momentum = Momentum::None;
  if (operand.momentum_buffer.defined()) {
    momentum = operand.first_step ? (numbers.nesterov ? Momentum::FirstNesterov : Momentum::First)
                                  : (numbers.nesterov ? Momentum::Nesterov : Momentum::Classic);
  }
  dispatch_floating(operand.parameter.scalar_type(), "sgd_update", [&](auto zero) {
    using T = decltype(zero);
    const SgdFactors<T> factors = {static_cast<T>(-numbers.lr), static_cast<T>(numbers.momentum),
                                   static_cast<T>(1 - numbers.dampening), static_cast<T>(numbers.weight_decay)};
    T* buffer = momentum == Momentum::None ? nullptr : operand.momentum_buffer.data_ptr<T>() + piece.begin;
    run(operand.gradient.data_ptr<T>() + piece.begin, operand.parameter.data_ptr<T>() + piece.begin, buffer,
        static_cast<std::size_t>(piece.n), factors, momentum);
  });
}

}  // namespace

void sgd_update(std::span<const SgdOperand> operands, const SgdNumbers& numbers) {
  const Tasks tasks = cut(operands);
  parallel_for(static_cast<std::int64_t>(tasks.ends.size()), [&](std::int64_t i) {
    const auto task = static_cast<std::size_t>(i);
    for (std::size_t k = task == 0 ? 0 : tasks.ends[task - 1]; k < tasks.ends[task]; ++k) {
      run(tasks.pieces[k], numbers);
    }
  });
}

}  // namespace backflow::kernels
#endif
