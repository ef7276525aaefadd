// Batch normalization, the addition of a residual and ReLU in the walks of the normalization alone.
#include <backflow/ops/normalization/batch_norm_internal.h>

namespace backflow {
namespace {

using namespace detail;

void check_operands(const BatchNormOperands& of, const Tensor& residual, bool training) {
  of.check_all(!training);
  check(!residual.defined() || (residual.sizes() == of.x.sizes() && residual.scalar_type() == of.x.scalar_type()),
        of.where, ": residual ", describe(residual), ", input ", describe(of.x), ": need the input's dtype and sizes");
}

struct NativeBatchNormRelu : BatchNormState {
  static constexpr OperatorInfo info = {
      .signature =
          "native_batch_norm_relu(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? "
          "running_var, Tensor? residual, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)",
      .formula =
          "y = max(z + residual, 0) with z = native_batch_norm(x, w, b, ...);  dz = dy where y > 0, else 0, is also "
          "the gradient of the residual",
      .doc =
          "Batch normalization, addition of an optional residual of the input's shape, and ReLU, fused: the same bits "
          "with fewer passes over memory. Operands, running statistics and further results as of native_batch_norm.",
      .dtypes = kFloatingDtypes,
      .node = "NativeBatchNormReluBackward0",
  };
  static constexpr std::size_t kResidual = 5;
  SavedTensor y;
  bool has_residual;

  static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& x, const Tensor& w, const Tensor& b,
                                                    const Tensor& running_mean, const Tensor& running_var,
                                                    const Tensor& residual, bool training, double momentum,
                                                    double eps) {
    const BatchNormOperands of{info.name, x, w, b, running_mean, running_var};
    check_operands(of, residual, training);
    if (residual.defined() && computed(x.scalar_type()) != x.scalar_type()) {  // each step has to round
      auto all = results(of, training, momentum, eps, false, {});
      std::get<0>(all).add_(residual).relu_();
      return all;
    }
    return results(of, training, momentum, eps, true, residual);
  }
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor& b, const Tensor& running_mean,
            const Tensor& running_var, const Tensor& residual, bool training, double, double eps,
            const std::tuple<Tensor, Tensor, Tensor>& all) {
    save_results({info.name, x_, w_, b, running_mean, running_var}, training, eps, all);
    y.save_output(std::get<0>(all));
    has_residual = residual.defined();
  }
  void backward(Backward& b) const {
    if (!GradMode::is_enabled() && is_fusible(b)) {
      fused(b, {.y = b(y), .residual = has_residual ? std::optional(kResidual) : std::nullopt});
      return;
    }
    Tensor dz = relu_backward(b.dy(), b(y));
    recorded(b, dz);
    b.set_dx(kResidual, [&] { return dz; });
  }

  static Cost forward_cost(const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                           const Tensor& residual, bool training, double, double) {
    return elementwise_cost(x, (training ? 3.0F : 2.0F) + (residual.defined() ? 1.0F : 0.0F));
  }
  static Cost cost(const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                   bool training, double, double) {
    return elementwise_cost(x, training ? 7 : 5);
  }
};

struct BatchNormRelu {
  static constexpr OperatorInfo info = {
      .signature =
          "batch_norm_relu(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
          "Tensor? residual, bool training, float momentum, float eps) -> Tensor",
      .formula = "y = max(batch_norm(x, w, b, ...) + residual, 0)",
      .doc =
          "The first result of native_batch_norm_relu. In training, an Error unless each channel has more than one "
          "value.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                        const Tensor& running_var, const Tensor& residual, bool training, double momentum, double eps) {
    const BatchNormOperands of{info.name, x, w, b, running_mean, running_var};
    check_operands(of, residual, training);
    if (training) {
      of.check_trains();
    }
    return std::get<0>(native_batch_norm_relu(x, w, b, running_mean, running_var, residual, training, momentum, eps));
  }
};

}  // namespace

#include <backflow/ops/batch_norm_relu_functions.inc>

OperatorFamily batch_norm_relu_operators() { return family<NativeBatchNormRelu, BatchNormRelu>("batch_norm_relu"); }

}  // namespace backflow
