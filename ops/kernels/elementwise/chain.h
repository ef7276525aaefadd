#pragma once

// Element-wise kernels that were put off, to run as one loop: each chunk goes through all of them while it is in the
// caches. A result that nobody wants any more by then never gets memory.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/elementwise/blocked_loop.h>
#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/deferred_work.h>

namespace backflow::kernels::detail {

/// Elements of an operand from some place on, of a type that the kernel knows.
struct ChainOperand {
  const std::byte* data;
  Stride stride;
};

/// A kernel: `f` copied, and what calls it with typed operands.
struct ChainKernel {
  using Run = void (*)(const void* f, void* y, std::size_t n, const ChainOperand* operands);

  Run run;
  const void* f;
  std::size_t f_bytes;
  double nanoseconds;  ///< of an element, besides its way from and to memory
};

/// The list of one thread. All its kernels are over equally many elements. A result is a deferred storage until the
/// list is run; operands are kept alive. Nobody writes over an operand meanwhile: operators write over memory that they
/// own alone, and in-place operators and loops run the list first.
class Chain final : public DeferredWork {
 public:
  static constexpr std::size_t kMaxKernels = 32;
  static constexpr std::size_t kMaxOperands = 3;
  static constexpr std::size_t kMaxBytes = 64;  ///< of a kernel's f

  /// That of this thread.
  static Chain& current();

  /// Puts `y = f(operands...)` off. False when it can't be: y has bytes already, or an operand has another shape.
  bool append(const Tensor& y, std::span<const Tensor* const> operands, const ChainKernel& kernel);
  void run() override;

 private:
  using Index = std::uint32_t;
  static constexpr Index kOneForAll = ~Index{0};

  struct Step {
    ChainKernel::Run run;
    double nanoseconds;
    alignas(8) std::array<std::byte, kMaxBytes> f;
    std::array<Index, kMaxOperands> operands;  // values, or kOneForAll
    std::array<double, kMaxOperands> numbers;  // the bytes of what is one for all
    std::size_t num_operands;
    Index result;  // a value
  };

  /// An operand or a result.
  struct Value {
    IntrusivePtr<Storage> storage;
    const std::byte* data;  // null of a result
    std::size_t width;      // bytes of an element
  };

  class Plan;

  Index pending(const Tensor& x) const;
  Index value_of(const Tensor& x);

  std::vector<Step> steps_;
  std::vector<Value> values_;
  std::int64_t numel_ = 0;
};

/// Puts `y = f(...)` of element types Out and In off, if y is a deferred tensor and the chain can take it. Else the
/// kernel has to run now. Not inlined, so that what calls it may be.
template <class Out, class... In, class F>
[[gnu::noinline]] bool defer(const Tensor& y, const std::array<const Tensor*, sizeof...(In)>& operands,
                             double nanoseconds, const F& f) {
  static_assert(std::is_trivially_copyable_v<F> && sizeof(F) <= Chain::kMaxBytes && alignof(F) <= 8);
  if (!y.impl().storage->is_deferred()) [[likely]] {
    return false;
  }
  const auto run = [](const void* copied, void* out, std::size_t n, const ChainOperand* from) {
    [&]<std::size_t... kIs>(std::index_sequence<kIs...>) {
      (*static_cast<const F*>(copied))(static_cast<Out*>(out), n,
                                       Operand<In>{reinterpret_cast<const In*>(from[kIs].data), from[kIs].stride}...);
    }
    (std::index_sequence_for<In...>());
  };
  return Chain::current().append(y, operands, {run, &f, sizeof(F), nanoseconds});
}

}  // namespace backflow::kernels::detail
