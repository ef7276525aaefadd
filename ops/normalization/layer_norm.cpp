// Normalization of the last dimensions: by mean and variance, or by the root of the mean square.
#include <algorithm>
#include <limits>

#include <backflow/ops/kernels/normalization/row_norm.h>
#include <backflow/ops/normalization/normalization_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Center;

/// The sizes of m and r: those of x, with 1 for what is normalized.
DimVector statistics_sizes(const Tensor& x, IntArrayRef normalized) {
  DimVector sizes(x.sizes());
  std::fill(sizes.end() - static_cast<std::ptrdiff_t>(normalized.size()), sizes.end(), 1);
  return sizes;
}

void check_rows(const char* where, const Tensor& x, IntArrayRef normalized, const Tensor& w, const Tensor& b) {
  check(x.defined() && x.is_floating_point(), where, ": input ", describe(x), ": need a floating-point tensor");
  const std::size_t rank = x.sizes().size();
  const std::size_t last = normalized.size();
  check(last > 0 && last <= rank && IntArrayRef(x.sizes().data() + (rank - last), last) == normalized, where,
        ": normalized_shape ", normalized, ", input ", describe(x), ": need the last sizes of the input");
  check_parameter(where, "weight", w, normalized, x);
  check_parameter(where, "bias", b, normalized, x);
}

/// The distance from 1 to the next number of this dtype.
double epsilon_of(ScalarType dtype) {
  return dtype == kFloat64   ? std::numeric_limits<double>::epsilon()
         : dtype == kFloat32 ? std::numeric_limits<float>::epsilon()
                             : 0x1p-7;
}

/// What both normalizations of rows do.
struct RowsState : NormState {
  DimVector normalized;

  void backward(Backward& b) const { GradMode::is_enabled() || !has_usable_rstd(b) ? recorded(b) : fused(b); }

  template <class... Rest>
  static Cost forward_cost(const Tensor& x, const Rest&...) {
    return elementwise_cost(x, 2);
  }
  template <class... Rest>
  static Cost cost(const Tensor& x, const Rest&...) {
    return elementwise_cost(x, 3);
  }

 protected:
  /// y, m and r; the latter in the dtype in which x is computed.
  static std::tuple<Tensor, Tensor, Tensor> normalize(const Tensor& x, IntArrayRef normalized, Center center,
                                                      const Tensor& w, const Tensor& b, double eps) {
    const ScalarType wide = computed(x.scalar_type());
    const Tensor y = empty_tensor(x.sizes(), wide);
    const Tensor m = zeros_f64(statistics_sizes(x, normalized));
    const Tensor r = zeros_f64(m.sizes());
    kernels::row_norm(y, dense(x, wide),
                      {.center = center, .eps = eps, .w = parameter_for(w, x), .b = parameter_for(b, x)}, m, r);
    if (x.numel() > 0 && !is_usable_rstd(r, wide)) {
      return in_operators(x, normalized, center, w, b, eps);
    }
    return {converted(y, x.scalar_type()), converted(m, wide), converted(r, wide)};
  }

 private:
  bool is_centered() const { return mean.defined(); }

  /// The last dimensions, so many as are normalized.
  static DimVector last_dims(IntArrayRef normalized) {
    DimVector dims;
    for (std::size_t i = 1; i <= normalized.size(); ++i) {
      dims.push_back(-static_cast<std::int64_t>(i));
    }
    return dims;
  }

  /// What normalize gives, where squares overflow or vanish.
  static std::tuple<Tensor, Tensor, Tensor> in_operators(const Tensor& x, IntArrayRef normalized, Center center,
                                                         const Tensor& w, const Tensor& b, double eps) {
    const NoGradGuard no_grad;
    const Tensor from = cast(x, computed(x.scalar_type()));
    const DimVector dims = last_dims(normalized);
    const RecordedNorm norm(from, dims, eps, center == Center::Mean);
    return {cast(with_parameters(norm.z(), w, b), x.scalar_type()), backflow::mean(from, dims, true), norm.r()};
  }

  void fused(Backward& b) const {
    const Tensor value = b(x);
    const ScalarType wide = computed(value.scalar_type());
    const Tensor r = dense(b(spread), kFloat64);
    const bool wants_db = is_centered() && b.wants(2);
    const kernels::RowNormGradients wanted{.dx = b.wants(0) ? empty_tensor(value.sizes(), wide) : Tensor(),
                                           .dw = b.wants(1) ? zeros_f64(normalized) : Tensor(),
                                           .db = wants_db ? zeros_f64(normalized) : Tensor()};
    kernels::row_norm_backward(wanted, dense(b.dy(), wide), dense(value, wide),
                               {.center = is_centered() ? Center::Mean : Center::Nothing,
                                .eps = epsilon,
                                .w = parameter_for(weight(b), value)},
                               is_centered() ? dense(b(mean), kFloat64) : zeros_f64(r.sizes()), r);
    put(b, wanted.dx, wanted.dw, wanted.db);
  }

  void recorded(Backward& b) const {
    const Tensor value = b(x);
    const ScalarType wide = computed(value.scalar_type());
    const Tensor dy = cast(b.dy(), wide);
    const Tensor weighted = w.defined() ? dy * cast(b(w), wide) : dy;
    const RecordedNorm norm(cast(value, wide), last_dims(normalized), epsilon, is_centered());
    put(b, b.wants(0) ? norm.dx(weighted, is_centered()) : Tensor(),
        b.wants(1) ? sum_to_size(dy * norm.z(), normalized) : Tensor(),
        is_centered() && b.wants(2) ? sum_to_size(dy, normalized) : Tensor());
  }
};

struct NativeLayerNorm : RowsState {
  static constexpr OperatorInfo info = {
      .signature =
          "native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> "
          "(Tensor, Tensor, Tensor)",
      .formula =
          "y = (x - m) r w + b, r = 1 / sqrt(v + eps), with mean m and variance v of each row;  with s(u) the mean "
          "of u over a row and z = (x - m) r: dx = r (dy w - s(dy w) - z s(dy w z));  dw = sum of dy z, db = sum of "
          "dy",
      .doc =
          "Layer normalization over the last dimensions, of sizes normalized_shape. The optional parameters have that "
          "shape. Returns y, and m and r with size 1 in the normalized dimensions.",
      .dtypes = kFloatingDtypes,
      .node = "NativeLayerNormBackward0",
  };
  static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& x, IntArrayRef normalized_shape, const Tensor& w,
                                                    const Tensor& b, double eps) {
    check_rows("native_layer_norm", x, normalized_shape, w, b);
    return normalize(x, normalized_shape, Center::Mean, w, b, eps);
  }
  void save(Needs, const Tensor& x_, IntArrayRef normalized_shape, const Tensor& w_, const Tensor& b, double eps,
            const std::tuple<Tensor, Tensor, Tensor>& y) {
    save_all(x_, w_, b, std::get<1>(y), std::get<2>(y), eps);
    normalized = normalized_shape;
  }
};

struct LayerNorm {
  static constexpr OperatorInfo info = {
      .signature =
          "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, "
          "bool cudnn_enable=True) -> Tensor",
      .formula = "y = native_layer_norm(x, normalized_shape, w, b, eps)",
      .doc = "The first result of native_layer_norm. cudnn_enable is ignored.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, IntArrayRef normalized_shape, const Tensor& w, const Tensor& b, double eps,
                        bool) {
    check_rows("layer_norm", x, normalized_shape, w, b);
    return std::get<0>(native_layer_norm(x, normalized_shape, w, b, eps));
  }
};

struct FusedRmsNorm : RowsState {
  static constexpr OperatorInfo info = {
      .signature =
          "_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)",
      .formula =
          "y = x r w, r = 1 / sqrt(mean of x^2 + eps) for each row;  with s(u) the mean of u over a row and z = x r: "
          "dx = r (dy w - z s(dy w z));  dw = sum of dy z",
      .doc =
          "RMS normalization over the last dimensions, of sizes normalized_shape. The optional weight has that shape. "
          "Returns y, and r with size 1 in the normalized dimensions. eps defaults to the machine epsilon of the "
          "dtype.",
      .dtypes = kFloatingDtypes,
      .node = "FusedRmsNormBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef normalized_shape, const Tensor& w,
                                            std::optional<double> eps) {
    check_rows("_fused_rms_norm", x, normalized_shape, w, {});
    const auto [y, m, r] =
        normalize(x, normalized_shape, Center::Nothing, w, {}, eps.value_or(epsilon_of(x.scalar_type())));
    return {y, r};
  }
  void save(Needs, const Tensor& x_, IntArrayRef normalized_shape, const Tensor& w_, std::optional<double> eps,
            const std::tuple<Tensor, Tensor>& y) {
    save_all(x_, w_, {}, {}, std::get<1>(y), eps.value_or(epsilon_of(x_.scalar_type())));
    normalized = normalized_shape;
  }
};

struct RmsNorm {
  static constexpr OperatorInfo info = {
      .signature = "rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
      .formula = "y = _fused_rms_norm(x, normalized_shape, w, eps)",
      .doc = "The first result of _fused_rms_norm (Zhang and Sennrich, Root mean square layer normalization, 2019).",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, IntArrayRef normalized_shape, const Tensor& w, std::optional<double> eps) {
    check_rows("rms_norm", x, normalized_shape, w, {});
    return std::get<0>(_fused_rms_norm(x, normalized_shape, w, eps));
  }
};

}  // namespace

#include <backflow/ops/layer_norm_functions.inc>

OperatorFamily layer_norm_operators() {
  return family<NativeLayerNorm, LayerNorm, FusedRmsNorm, RmsNorm>("layer_norm");
}

}  // namespace backflow
