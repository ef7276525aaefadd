#include <backflow/ops/kernels/losses/losses.h>

#include <algorithm>
#include <array>
#include <vector>

#include <backflow/ops/kernels/elementwise/blocked_loop.h>
#include <backflow/ops/kernels/losses/loss_loops.h>
#include <backflow/ops/kernels/reductions/reduce_loops.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow::kernels {
namespace {

using namespace detail;

/// Calls f(zero of the tensors' element type, zero of the type that is computed in).
template <class F>
void dispatch_losses(ScalarType dtype, const F& f) {
  dtype == kFloat64 ? f(double{}, double{}) : dtype == kFloat32 ? f(float{}, float{}) : f(BFloat16{}, float{});
}

/// The sum of n numbers, which are overwritten where there are many.
template <class C>
C sum_of(const C* x, std::int64_t n) {
  C total{};
  fold_loops<C>(Fold::Sum).rows(x, 1, 0, static_cast<std::size_t>(n), &total);
  return total;
}

/// ns of a loss: those of the first kinds have no logarithms.
double nanoseconds_of(Loss f) { return f <= Loss::Huber ? 0.15 : 1.5; }

/// The sums of the losses of blocks. The sum of all follows from the shape alone: of blocks, of chunks of
/// kElementwiseChunk, of all. Which blocks a thread takes is free.
template <class T, class C>
class BlockSums {
 public:
  BlockSums(Loss f, const Tensor& x, const Tensor& t, const Params& params)
      : loop_(x.sizes(), {&x, &t}),
        x_(x.const_data_ptr<T>()),
        t_(t.const_data_ptr<T>()),
        f_(loss_loop<C>(f)),
        nanoseconds_(nanoseconds_of(f)),
        params_{static_cast<C>(params[0]), static_cast<C>(params[1]), static_cast<C>(params[2])} {}

  /// Those of elements [begin, end); `begin` is the first of a block.
  void run(std::int64_t begin, std::int64_t end, C* sums) const {
    alignas(64) C of_x[kBlock];
    alignas(64) C of_t[kBlock];
    alignas(64) C losses[kBlock];
    for (std::int64_t i = begin; i < end; i += kBlock) {
      const std::int64_t n = std::min(kBlock, end - i);
      f_(gather(loop_, 0, x_, i, n, of_x), gather(loop_, 1, t_, i, n, of_t), losses, static_cast<std::size_t>(n),
         params_.data());
      *sums++ = sum_of(losses, n);
    }
  }

  /// The sum of all.
  C total(std::int64_t numel) const {
    constexpr std::int64_t kBlocks = kElementwiseChunk / kBlock;
    const std::int64_t blocks = chunks_of(numel, kBlock);
    std::array<C, kBlocks> few;
    std::vector<C> many(blocks > kBlocks ? static_cast<std::size_t>(blocks) : 0);
    C* const sums = many.empty() ? few.data() : many.data();
    parallel_ranges(blocks, nanoseconds_ * static_cast<double>(numel), [&](std::int64_t begin, std::int64_t end) {
      run(begin * kBlock, std::min(numel, end * kBlock), sums + begin);
    });
    const std::int64_t chunks = chunks_of(blocks, kBlocks);
    for (std::int64_t i = 0; i < chunks; ++i) {
      const std::int64_t count = std::min(kBlocks, blocks - i * kBlocks);
      sums[i] = count == 1 ? sums[i * kBlocks] : sum_of(sums + i * kBlocks, count);
    }
    return chunks == 1 ? sums[0] : sum_of(sums, chunks);
  }

 private:
  StridedLoop<2> loop_;
  const T* x_;
  const T* t_;
  BinaryLoop<C> f_;
  double nanoseconds_;
  std::array<C, 3> params_;
};

}  // namespace

void loss(Loss f, const Tensor& y, const Tensor& x, const Tensor& t, const Params& params) {
  if (y.numel() == 0) {
    return;
  }
  dispatch_losses(y.scalar_type(), [&]<class T, class C>(T, C) {
    const auto loop = loss_loop<C>(f);
    const std::array<C, 3> more{static_cast<C>(params[0]), static_cast<C>(params[1]), static_cast<C>(params[2])};
    run_blocked<T, T, T>(y, {&x, &t},
                         [&](C* out, std::size_t n, Operand<C> a, Operand<C> b) { loop(a, b, out, n, more.data()); });
  });
}

void weighted_logits(const Tensor& y, const Tensor& x, const Tensor& t, const Tensor& positive) {
  if (y.numel() == 0) {
    return;
  }
  dispatch_losses(y.scalar_type(), [&]<class T, class C>(T, C) {
    const auto loop = weighted_logits_loop<C>();
    run_blocked<T, T, T, T>(
        y, {&x, &t, &positive},
        [&](C* out, std::size_t n, Operand<C> a, Operand<C> b, Operand<C> c) { loop(a, b, c, out, n, nullptr); });
  });
}

void loss_sum(Loss f, const Tensor& y, const Tensor& x, const Tensor& t, const Params& params, double divisor) {
  dispatch_losses(y.scalar_type(), [&]<class T, class C>(T, C) {
    const C total = x.numel() == 0 ? C{} : BlockSums<T, C>(f, x, t, params).total(x.numel());
    *y.mutable_data_ptr<T>() = static_cast<T>(total / static_cast<C>(divisor));
  });
}

void loss_backward(Loss f, const Tensor& dx, const Tensor& dy, const Tensor& x, const Tensor& t, const Params& params,
                   double divisor) {
  if (dx.numel() == 0) {
    return;
  }
  dispatch_losses(dx.scalar_type(), [&]<class T, class C>(T, C) {
    const auto loop = loss_gradient_loop<C>(f);
    const std::array<C, 3> more{static_cast<C>(params[0]), static_cast<C>(1 / divisor), static_cast<C>(params[2])};
    run_blocked<T, T, T, T>(dx, {&dy, &x, &t}, [&](C* out, std::size_t n, Operand<C> g, Operand<C> a, Operand<C> b) {
      loop(g, a, b, out, n, more.data());
    });
  });
}

}  // namespace backflow::kernels
