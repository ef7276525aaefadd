// Windows that slide along a dimension.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/views/view_cost_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// The view of `x` that shows the windows, off the tape.
Tensor windows_of(const char* where, const Tensor& x, std::int64_t dimension, std::int64_t size, std::int64_t step) {
  const std::size_t d = wrap_dim(where, dimension, x.sizes().size());
  const std::int64_t length = x.dim() == 0 ? 1 : x.sizes()[d];
  check(size >= 0 && size <= length && step > 0, where, ": windows of size ", size, " and step ", step,
        " in dimension ", d, " of ", describe(x), ": need a size of at most ", length, " and a step of 1 or more");
  DimVector sizes(x.sizes());
  DimVector strides(x.strides());
  sizes.push_back(size);
  strides.push_back(x.dim() == 0 ? 1 : x.strides()[d]);
  if (x.dim() > 0) {
    sizes[d] = (length - size) / step + 1;
    strides[d] *= step;
  }
  return view_of(x, sizes, strides, x.storage_offset());
}

struct Unfold : CostOfPart {
  static constexpr OperatorInfo info = {
      .signature = "unfold(Tensor self, int dimension, int size, int step) -> Tensor",
      .formula = "y[i][j] = x[i step + j] along a dimension;  dx = the sum of dy over the windows an element is in",
      .doc = "A view of the sliding windows of a dimension. A new last dimension holds the elements of a window.",
      .dtypes = kAnyDtype,
      .node = "UnfoldBackward0",
  };
  DimVector sizes;
  std::int64_t dim_;
  std::int64_t size_;
  std::int64_t step_;
  static Tensor forward(const Tensor& x, std::int64_t dimension, std::int64_t size, std::int64_t step) {
    return windows_of("unfold", x, dimension, size, step);
  }
  void save(Needs, const Tensor& x, std::int64_t dimension, std::int64_t size, std::int64_t step, const Tensor&) {
    sizes = x.sizes();
    dim_ = dimension;
    size_ = size;
    step_ = step;
  }
  void backward(Backward& b) const { b.dx(0) = unfold_backward(b.dy(), sizes, dim_, size_, step_); }
};

struct UnfoldGradient {
  static constexpr OperatorInfo info = {
      .signature = "unfold_backward(Tensor grad, int[] input_sizes, int dim, int size, int step) -> Tensor",
      .formula =
          "dx = zeros of input_sizes with dy added where the windows are;  its own gradient is unfold(g), with y "
          "its windows",
      .doc = "The gradient of unfold; sums are in the order of the windows' elements.",
      .dtypes = kAnyDtype,
      .node = "UnfoldBackwardBackward0",
  };
  std::int64_t dim_;
  std::int64_t size_;
  std::int64_t step_;
  static Tensor forward(const Tensor& dy, IntArrayRef input_sizes, std::int64_t dim, std::int64_t size,
                        std::int64_t step) {
    // Sums of bfloat16 are rounded once.
    const ScalarType dtype = dy.scalar_type() == kBFloat16 ? kFloat32 : dy.scalar_type();
    Tensor dx = zeros(input_sizes, dtype);
    const Tensor windows = windows_of("unfold_backward", dx, dim, size, step);
    check(windows.sizes() == dy.sizes(), "unfold_backward: gradient ", describe(dy), ", windows ", describe(windows),
          ": need equal sizes");
    const Cast terms(dy, dtype);
    // The j-th elements of all windows are apart, so that they can be added at once.
    for (std::int64_t j = 0; j < size; ++j) {
      const Tensor y = nth(windows, j);
      kernels::binary(kernels::functions::Add{}, y, y, nth(terms, j));
    }
    return dtype == dy.scalar_type() ? dx : to_copy(dx, dy.scalar_type());
  }
  void save(Needs, const Tensor&, IntArrayRef, std::int64_t dim, std::int64_t size, std::int64_t step, const Tensor&) {
    dim_ = dim;
    size_ = size;
    step_ = step;
  }
  void backward(Backward& b) const { b.dx(0) = unfold(b.dy(), dim_, size_, step_); }

 private:
  /// Element j of the last dimension.
  static Tensor nth(const Tensor& x, std::int64_t j) {
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    const std::int64_t offset = x.storage_offset() + j * strides.back();
    sizes.pop_back();
    strides.pop_back();
    return view_of(x, sizes, strides, offset);
  }
};

}  // namespace

#include <backflow/ops/windows_functions.inc>

OperatorFamily windows_operators() { return family<Unfold, UnfoldGradient>("windows"); }

}  // namespace backflow
