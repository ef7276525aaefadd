// Activations with a second operand, a slope or a gate, and celu and rrelu, which are forms of others.
#include <backflow/ops/creation/random.h>
#include <backflow/ops/elementwise/fused_gradient_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// Throws Error, for operator `op`, unless `x` has floating-point numbers.
void check_floating(const char* op, const Tensor& x) {
  check(x.is_floating_point(), op, ": dtype ", short_name(x.scalar_type()),
        ": need floating-point numbers; to(kFloat32) gives them");
}

struct Celu : Activation<Celu, functions::Elu, functions::EluBackward> {
  static constexpr OperatorInfo info = {
      .signature = "celu(Tensor input, Scalar alpha=1) -> Tensor",
      .formula = "y = x where x > 0, else a (e^(x / a) - 1);  dx = dy where x > 0, else dy e^(x / a)",
      .doc = "Exponential linear unit whose slope is continuous (Barron, 2017); alpha is not 0, floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "EluBackward0",
      .inplace = "celu_(Tensor self, Scalar alpha=1) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& alpha) { return result(x, factors(alpha)); }
  static bool forward_into(const Tensor& y, const Tensor& x, const Scalar& alpha) {
    return write(y, x, factors(alpha));
  }
  void save(Needs, const Tensor& x_, const Scalar& alpha, const Tensor&) { keep(x_, factors(alpha)); }
  Tensor recorded(const Tensor& dy, const Tensor& value) const {
    const Tensor left = dy * exp(clamp_max(value, 0) * params[2]);  // cannot overflow
    return choose(where_holds(functions::LessEqual{}, value, 0), left, dy);
  }

 private:
  static kernels::Params factors(const Scalar& alpha) {
    const double a = alpha.toDouble();
    check(a != 0, "celu: alpha 0: need another number, which is divided by");
    return {a, 1, 1 / a};
  }
};

/// The slopes of prelu beside x: one for all, or one for each channel.
Tensor slopes_beside(const Tensor& x, const Tensor& w) {
  check_floating("prelu", x);
  check(w.scalar_type() == x.scalar_type() && w.dim() <= 1, "prelu: input ", describe(x), ", weight ", describe(w),
        ": need slopes of the input's dtype, of at most one dimension");
  const std::int64_t channels = x.dim() >= 2 ? x.size(1) : 1;
  check(w.numel() == 1 || (x.dim() > 0 && w.numel() == channels), "prelu: input ", describe(x), ", weight ",
        describe(w), ": need 1 slope or ", channels);
  DimVector sizes(x.dim() >= 2 && w.numel() > 1 ? static_cast<std::size_t>(x.dim()) - 1 : 0, 1);
  DimVector strides(sizes.size(), 0);
  if (!sizes.empty()) {
    sizes[0] = channels;
    strides[0] = w.strides()[0];
  }
  return view_of(w, sizes, strides, w.storage_offset());
}

struct Prelu {
  static constexpr OperatorInfo info = {
      .signature = "prelu(Tensor self, Tensor weight) -> Tensor",
      .formula = "y = x where x > 0, else w x;  dx = dy where x > 0, else w dy;  dw = the sum of x dy where x <= 0",
      .doc =
          "Rectified linear unit with learned slopes (He et al., 2015): one slope, or one for each channel (dimension "
          "1); floating-point dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "PreluBackward0",
  };
  SavedTensor x;
  SavedTensor w;
  static Tensor forward(const Tensor& x, const Tensor& w) {
    const Tensor slopes = slopes_beside(x, w);
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::binary(functions::Prelu{}, y, x, slopes);
    return y;
  }
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor&) {
    x.save(x_);
    w.save(w_);
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    const Tensor weight = b(w);
    b.set_dx(0,
             [&] { return GradMode::is_enabled() ? recorded(b.dy(), value, weight) : fused(b.dy(), value, weight); });
    if (b.wants(1)) {
      Tensor terms;
      if (GradMode::is_enabled()) {
        terms = relu_backward(b.dy() * value, where_holds(functions::LessEqual{}, value, 0));
      } else {
        terms = fused_gradient(functions::PreluWeightBackward{}, b.dy(), value, {});
      }
      b.dx(1) = reshape(sum_to_size(terms, slopes_beside(value, weight).sizes()), weight.sizes());
    }
  }

 private:
  static Tensor fused(const Tensor& dy, const Tensor& x, const Tensor& w) {
    Tensor dx = empty_tensor_like(x, x.scalar_type());
    kernels::ternary(functions::PreluBackward{}, dx, dy, x, slopes_beside(x, w));
    return dx;
  }
  static Tensor recorded(const Tensor& dy, const Tensor& x, const Tensor& w) {
    const Tensor slopes = reshape(w, slopes_beside(x, w).sizes());
    return choose(where_holds(functions::LessEqual{}, x, 0), dy * slopes, dy);
  }
};

/// One half of a tensor along a dimension.
Tensor half_of(const Tensor& x, std::size_t dim, std::int64_t number) {
  DimVector sizes(x.sizes());
  sizes[dim] /= 2;
  return view_of(x, sizes, x.strides(), x.storage_offset() + number * sizes[dim] * x.strides()[dim]);
}

struct Glu {
  static constexpr OperatorInfo info = {
      .signature = "glu(Tensor input, int dim=-1) -> Tensor",
      .formula = "y = a s with s = sigmoid(b), where x is a followed by b;  da = dy s, db = dy a s (1 - s)",
      .doc =
          "Gated linear unit (Dauphin et al., 2017) of the halves of a dimension, whose size is even; floating-point "
          "dtypes.",
      .dtypes = kFloatingDtypes,
      .node = "GluBackward0",
  };
  SavedTensor x;
  std::size_t dim_;
  static Tensor forward(const Tensor& x, std::int64_t dim) {
    check_floating("glu", x);
    check(x.dim() > 0, "glu: input ", describe(x), ": need a dimension");
    const std::size_t d = wrap_dim("glu", dim, x.sizes().size());
    check(x.sizes()[d] % 2 == 0, "glu: input ", describe(x), ", dimension ", dim, ": need an even size");
    DimVector sizes(x.sizes());
    sizes[d] /= 2;
    Tensor y = empty_tensor(sizes, x.scalar_type());
    kernels::binary(functions::Glu{}, y, half_of(x, d, 0), half_of(x, d, 1));
    return y;
  }
  void save(Needs, const Tensor& x_, std::int64_t dim, const Tensor&) {
    x.save(x_);
    dim_ = wrap_dim("glu", dim, x_.sizes().size());
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    if (GradMode::is_enabled()) {
      const std::int64_t size = value.sizes()[dim_] / 2;
      const auto dim = static_cast<std::int64_t>(dim_);
      const Tensor s = sigmoid(narrow(value, dim, size, size));
      const Tensor da = b.dy() * s;
      b.dx(0) = cat({da, da * narrow(value, dim, 0, size) * (1 - s)}, dim);
      return;
    }
    Tensor dx = empty_tensor(value.sizes(), value.scalar_type());
    const Tensor gate = half_of(value, dim_, 1);
    const Cast dy(b.dy(), value.scalar_type());
    kernels::binary(functions::Glu{}, half_of(dx, dim_, 0), dy, gate);
    kernels::ternary(functions::GluBackward{}, half_of(dx, dim_, 1), dy, half_of(value, dim_, 0), gate);
    b.dx(0) = dx;
  }
};

struct RreluWithNoise {
  static constexpr OperatorInfo info = {
      .signature = "rrelu_with_noise(Tensor self, Tensor noise) -> Tensor",
      .formula = "y = x where x > 0, else w x;  dx = dy where x > 0, else w dy",
      .doc = "leaky_relu with given slopes of the shape and floating-point dtype of x. The slopes have no gradient.",
      .dtypes = kFloatingDtypes,
      .node = "RreluWithNoiseBackward0",
      .inplace = "rrelu_with_noise_(Tensor self, Tensor noise) -> Tensor",
  };
  SavedTensor x;
  SavedTensor noise;
  static Tensor forward(const Tensor& x, const Tensor& noise) {
    Tensor y = empty_tensor_like(x, x.scalar_type());
    forward_into(y, x, noise);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor& x, const Tensor& noise) {
    check_floating("rrelu_with_noise", x);
    check(x.sizes() == noise.sizes() && x.scalar_type() == noise.scalar_type(), "rrelu_with_noise: input ", describe(x),
          ", slopes ", describe(noise), ": need equal shapes and dtypes");
    if (!may_overwrite(y, noise)) {
      return false;
    }
    kernels::binary(functions::Prelu{}, y, x, noise);
    return true;
  }
  void save(Needs, const Tensor& x_, const Tensor& noise_, const Tensor&) {
    x.save(x_);
    noise.save(noise_);
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    const Tensor slopes = b(noise).detach();
    if (!b.wants(0)) {
      return;
    }
    if (GradMode::is_enabled()) {
      b.dx(0) = choose(where_holds(functions::LessEqual{}, value, 0), b.dy() * slopes, b.dy());
      return;
    }
    Tensor dx = empty_tensor_like(value, value.scalar_type());
    kernels::ternary(functions::PreluBackward{}, dx, Cast(b.dy(), value.scalar_type()), value, slopes);
    b.dx(0) = dx;
  }
};

struct Rrelu {
  static constexpr OperatorInfo info = {
      .signature =
          "rrelu(Tensor input, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? "
          "generator=None) -> Tensor",
      .formula = "y = leaky_relu(x, (lower + upper) / 2), in training rrelu_with_noise with uniform slopes",
      .doc =
          "Rectified linear unit with a random negative slope for every element (Xu et al., 2015); floating-point "
          "dtypes.",
      .dtypes = kFloatingDtypes,
      .inplace =
          "rrelu_(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? "
          "generator=None) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Scalar& lower, const Scalar& upper, bool training,
                        const std::optional<Generator>& generator) {
    check_floating("rrelu", x);
    check(lower.toDouble() <= upper.toDouble(), "rrelu: slopes from ", lower.toDouble(), " to ", upper.toDouble(),
          ": need lower <= upper");
    if (!training) {
      return leaky_relu(x, (lower.toDouble() + upper.toDouble()) / 2);
    }
    const Tensor noise = empty_tensor(x.sizes(), x.scalar_type());
    return rrelu_with_noise(x, uniform_(noise, lower.toDouble(), upper.toDouble(), generator));
  }
};

}  // namespace

#include <backflow/ops/gated_activations_functions.inc>

OperatorFamily gated_activations_operators() {
  return family<Celu, Prelu, Glu, RreluWithNoise, Rrelu>("gated_activations");
}

}  // namespace backflow
