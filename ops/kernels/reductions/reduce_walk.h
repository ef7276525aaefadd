#pragma once

// The order in which a reduction walks its operand.

#include <array>
#include <cstdint>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels::detail {

/// One pass over memory: `outer` x `inner` results, each over `n` elements. The element that is number r of result
/// (o, j) lies at offset(o) + r * stride + j * inner_stride.
struct Pass {
  DimVector sizes;  // of the outer loops
  DimVector strides;
  std::int64_t outer = 1;
  std::int64_t n = 1;
  std::int64_t stride = 1;
  std::int64_t inner = 1;
  std::int64_t inner_stride = 1;

  /// Over the middle dimension of dense memory [outer, n, inner].
  static Pass dense(std::int64_t outer, std::int64_t n, std::int64_t inner) {
    Pass pass;
    pass.sizes = {outer};
    pass.strides = {n * inner};
    pass.outer = outer;
    pass.n = n;
    pass.stride = inner;
    pass.inner = inner;
    return pass;
  }

  std::int64_t offset(std::int64_t o) const {
    std::int64_t result = 0;
    for (std::size_t d = sizes.size(); d-- > 0;) {
      result += o % sizes[d] * strides[d];
      o /= sizes[d];
    }
    return result;
  }
  /// How many results from `o` on are equally far apart, and how far.
  std::int64_t run(std::int64_t o) const { return sizes.empty() ? 1 : sizes.back() - o % sizes.back(); }
  std::int64_t run_stride() const { return sizes.empty() ? 0 : strides.back(); }
};

/// The passes that reduce x over the dimensions that `reduced` marks, in the order of its memory: neighbours of one
/// kind are merged, dimensions of size 1 and those that only repeat results are left out.
class Walk {
 public:
  Walk(const Tensor& x, const DimVector& reduced);

  bool done() const { return reduced_runs_ == 0; }
  /// The next pass. What it reads after the first is the dense result of the pass before.
  Pass next();

  /// Whether the result of the last pass lies as a contiguous y does.
  bool in_order() const;
  /// Copies the result of the last pass, dense memory held by the 1-D tensor `flat`, to the contiguous tensor y.
  void copy_result(const Tensor& y, const Tensor& flat) const;

 private:
  struct WalkRun {
    std::int64_t size;
    std::int64_t stride;
    bool reduced;
  };
  void push(const WalkRun& run);

  std::array<WalkRun, kMaxDims + 1> runs_;
  std::size_t size_ = 0;
  std::size_t reduced_runs_ = 0;
  DimVector kept_sizes_;    // of all dimensions that are left, in their order
  DimVector kept_strides_;  // in the result of the last pass
};

}  // namespace backflow::kernels::detail
