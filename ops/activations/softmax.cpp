// Softmax and its logarithm, with the gradients as operators of their own.
#include <backflow/ops/kernels/activations/softmax.h>
#include <backflow/ops/reductions/reduction_internal.h>

namespace backflow {
namespace {

using namespace detail;
using Kind = kernels::Softmax;

Tensor softmax_of(const char* where, Kind kind, const Tensor& x, std::int64_t dim, std::optional<ScalarType> asked) {
  const ScalarType dtype = asked.value_or(x.scalar_type());
  check(is_floating_point(dtype), where, ": dtype ", short_name(dtype),
        ": need a floating-point one; the argument dtype gives one");
  const std::size_t d = wrap_dim(where, dim, x.sizes().size());
  const Tensor from = dense(converted(x, dtype), computed(dtype));
  const Tensor y = empty_tensor(x.sizes(), computed(dtype));
  kernels::softmax(kind, y, from, d);
  return converted(y, dtype);
}

Tensor gradient_of(const char* where, Kind kind, const Tensor& dy, const Tensor& y, std::int64_t dim,
                   ScalarType dtype) {
  check(dy.sizes() == y.sizes() && dy.scalar_type() == y.scalar_type() && y.is_floating_point(), where, ": gradient ",
        describe(dy), ", output ", describe(y), ": need one shape and one floating-point dtype");
  const std::size_t d = wrap_dim(where, dim, y.sizes().size());
  const ScalarType wide = computed(y.scalar_type());
  const Tensor dx = empty_tensor(y.sizes(), wide);
  kernels::softmax_backward(kind, dx, dense(dy, wide), dense(y, wide), d);
  return converted(dx, dtype);
}

struct SoftmaxState {
  SavedTensor y;
  std::int64_t dim_;
  ScalarType x_dtype;
  void save(Needs, const Tensor& x, std::int64_t dim, std::optional<ScalarType>, const Tensor& y_) {
    y.save_output(y_);
    dim_ = dim;
    x_dtype = x.scalar_type();
  }
};

struct SoftmaxOp : SoftmaxState {
  static constexpr OperatorInfo info = {
      .signature = "softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
      .formula = "y = e^x / sum of e^x over dim;  dx = y (dy - sum of dy y over dim)",
      .doc =
          "Softmax over one dimension, without overflow. With dtype, a floating-point one, elements are converted "
          "first.",
      .dtypes = kFloatingDtypes,
      .node = "SoftmaxBackward0",
  };
  static Tensor forward(const Tensor& x, std::int64_t dim, std::optional<ScalarType> dtype) {
    return softmax_of("softmax", Kind::Plain, x, dim, dtype);
  }
  void backward(Backward& b) const { b.dx(0) = _softmax_backward_data(b.dy(), b(y), dim_, x_dtype); }
};

struct LogSoftmax : SoftmaxState {
  static constexpr OperatorInfo info = {
      .signature = "log_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
      .formula = "y = x - log(sum of e^x over dim);  dx = dy - e^y (sum of dy over dim)",
      .doc =
          "Logarithm of the softmax over one dimension, without overflow. With dtype, a floating-point one, elements "
          "are converted first.",
      .dtypes = kFloatingDtypes,
      .node = "LogSoftmaxBackward0",
  };
  static Tensor forward(const Tensor& x, std::int64_t dim, std::optional<ScalarType> dtype) {
    return softmax_of("log_softmax", Kind::Log, x, dim, dtype);
  }
  void backward(Backward& b) const { b.dx(0) = _log_softmax_backward_data(b.dy(), b(y), dim_, x_dtype); }
};

struct GradientState {
  SavedTensor dy;
  SavedTensor y;
  std::int64_t dim_;
  void save(Needs, const Tensor& dy_, const Tensor& y_, std::int64_t dim, ScalarType, const Tensor&) {
    dy.save(dy_);
    y.save(y_);
    dim_ = dim;
  }
};

struct SoftmaxGradient : GradientState {
  static constexpr OperatorInfo info = {
      .signature =
          "_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
      .formula =
          "dx = y (dy - s), s = sum of dy y over dim;  with g the gradient of dx and t = sum of g y: "
          "ddy = y (g - t), its gradient for y is g (dy - s) - dy t",
      .doc = "The gradient of softmax from its result, converted to input_dtype.",
      .dtypes = kFloatingDtypes,
      .node = "SoftmaxBackwardDataBackward0",
  };
  static Tensor forward(const Tensor& dy, const Tensor& y, std::int64_t dim, ScalarType dtype) {
    return gradient_of("_softmax_backward_data", Kind::Plain, dy, y, dim, dtype);
  }
  void backward(Backward& b) const {
    const Tensor out = b(y);
    const Tensor g = cast(b.dy(), out.scalar_type());
    b.set_dx(0, [&] { return _softmax_backward_data(g, out, dim_, out.scalar_type()); });
    if (b.wants(1)) {
      const Tensor grad = b(dy);
      b.dx(1) = g * (grad - sum(grad * out, dim_, true)) - grad * sum(g * out, dim_, true);
    }
  }
};

struct LogSoftmaxGradient : GradientState {
  static constexpr OperatorInfo info = {
      .signature =
          "_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor",
      .formula =
          "dx = dy - e^y (sum of dy over dim);  with g the gradient of dx: ddy = g - sum of g e^y over dim, "
          "its gradient for y is -g e^y (sum of dy)",
      .doc = "The gradient of log_softmax from its result, converted to input_dtype.",
      .dtypes = kFloatingDtypes,
      .node = "LogSoftmaxBackwardDataBackward0",
  };
  static Tensor forward(const Tensor& dy, const Tensor& y, std::int64_t dim, ScalarType dtype) {
    return gradient_of("_log_softmax_backward_data", Kind::Log, dy, y, dim, dtype);
  }
  void backward(Backward& b) const {
    const Tensor out = b(y);
    const Tensor weighted = cast(b.dy(), out.scalar_type()) * exp(out);
    b.set_dx(0, [&] { return cast(b.dy(), out.scalar_type()) - sum(weighted, dim_, true); });
    b.set_dx(1, [&] { return neg(weighted * sum(b(dy), dim_, true)); });
  }
};

}  // namespace

#include <backflow/ops/softmax_functions.inc>

OperatorFamily softmax_operators() {
  return family<SoftmaxOp, LogSoftmax, SoftmaxGradient, LogSoftmaxGradient>("softmax");
}

}  // namespace backflow
