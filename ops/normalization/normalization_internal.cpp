#include <backflow/ops/normalization/normalization_internal.h>

#include <cmath>
#include <optional>
#include <utility>

namespace backflow::detail {

void check_channels(const char* where, const Tensor& x) {
  check(x.defined() && x.is_floating_point() && x.dim() >= 2, where, ": input ", describe(x),
        ": need a floating-point tensor [batch, channels, ...]");
}

void check_parameter(const char* where, const char* name, const Tensor& parameter, IntArrayRef sizes, const Tensor& x) {
  if (!parameter.defined()) {
    return;
  }
  const ScalarType dtype = parameter.scalar_type();
  check(parameter.sizes() == sizes && (dtype == x.scalar_type() || dtype == computed(x.scalar_type())), where, ": ",
        name, ' ', describe(parameter), ", input ", describe(x), ": need the input's dtype and sizes ", sizes);
}

Tensor parameter_for(const Tensor& parameter, const Tensor& x) {
  return parameter.defined() ? dense(parameter, computed(x.scalar_type())) : Tensor();
}

kernels::Blocked blocks_for(const Tensor& x, std::int64_t block) {
  kernels::Blocked own = kernels::as_blocked(x, block);
  own.elements = converted(own.elements, computed(x.scalar_type()));
  return own;
}

BlockedResult::BlockedResult(const Tensor& like, std::int64_t block)
    : y_(kernels::empty_blocked(like.sizes(), like.scalar_type(), block)),
      own_(kernels::as_blocked(y_, block)),
      to_(own_) {
  if (const ScalarType wide = computed(like.scalar_type()); wide != like.scalar_type()) {
    to_.elements = empty_tensor(own_.elements.sizes(), wide);
  }
}

Tensor BlockedResult::get() {
  if (!to_.elements.is_same(own_.elements)) {
    kernels::copy(own_.elements, to_.elements);
  }
  return std::move(y_);
}

RecordedNorm::RecordedNorm(const Tensor& x, IntArrayRef dims, double eps, bool centered)
    : dims_(dims), dtype_(x.scalar_type()) {
  const auto deviations = [&](const Tensor& from) { return centered ? from - mean(from, dims, true) : from; };
  const auto mean_square = [&](const Tensor& from) { return mean(from * from, dims, true); };
  Tensor from = deviations(x);
  const Tensor square = mean_square(from) + eps;
  if (is_usable(square, 0, dtype_)) {
    r_ = rsqrt(square);
  } else if (dtype_ != kFloat64) {
    from = deviations(cast(x, kFloat64));
    r_ = rsqrt(mean_square(from) + eps);
  } else {
    const double root = std::sqrt(eps);
    unit_ = unit_of(x.detach(), reduced_dims("normalization", x, dims), root);
    from = x;
    if (centered && x.numel() > 0) {
      // The mean of equal numbers may differ from them by a rounding error, beside which eps would vanish.
      const Tensor least = amin(x.detach(), dims, true);
      unit_ = where(amax(x.detach(), dims, true) == least, 1.0, unit_);
      from = from / unit_ - least / unit_;
    } else {
      from = from / unit_;
    }
    from = deviations(from);
    r_ = rsqrt(mean_square(from) + (root / unit_).pow(2));
  }
  z_ = from * r_;
}

Tensor RecordedNorm::dx(const Tensor& weighted, bool centered) const {
  const Tensor from = cast(weighted, z_.scalar_type());
  const Tensor rest = from - z_ * mean(from * z_, dims_, true);
  return cast(in_units(r_ * (centered ? rest - mean(from, dims_, true) : rest)), dtype_);
}

void NormState::save_all(const Tensor& x_, const Tensor& w_, const Tensor& b, const Tensor& mean_,
                         const Tensor& spread_, double eps) {
  x.save(x_);
  for (const auto& [to, from] : {std::pair{&w, &w_}, {&mean, &mean_}, {&spread, &spread_}}) {
    if (from->defined()) {
      to->save(*from);
    }
  }
  x_dtype = x_.scalar_type();
  w_dtype = w_.defined() ? w_.scalar_type() : x_dtype;
  b_dtype = b.defined() ? b.scalar_type() : x_dtype;
  epsilon = eps;
}

void NormState::put(Backward& b, const Tensor& dx, const Tensor& dw, const Tensor& db) const {
  if (dx.defined()) {
    b.dx(0) = cast(dx, x_dtype);
  }
  if (dw.defined()) {
    b.dx(1) = cast(dw, w_dtype);
  }
  if (db.defined()) {
    b.dx(2) = cast(db, b_dtype);
  }
}

void ChannelNormState::put_fused(Backward& b, std::int64_t groups, kernels::NormStatistics statistics, const Tensor& r,
                                 const NormTail& tail, const kernels::GroupSum* group) const {
  const Tensor value = b(x);
  const std::int64_t block = kernels::block_of(value);
  const std::int64_t channels = value.sizes()[1];
  const kernels::ResultGradient from{.dy = blocks_for(b.dy(), block),
                                     .y = tail.y.defined() ? blocks_for(tail.y, block) : kernels::Blocked{}};
  // Each element of dz follows from that of dy, and of dx once the sums are there, and may take its place.
  bool is_free =
      b.owns_dy() && kernels::block_of(b.dy()) == block && b.dy().scalar_type() == computed(value.scalar_type());
  const auto make = [&](bool is_wanted, std::optional<BlockedResult>& result) -> kernels::Blocked {
    if (!is_wanted) {
      return {};
    }
    if (std::exchange(is_free, false)) {
      return result.emplace(b.dy(), from.dy).to();
    }
    return result.emplace(value, block).to();
  };
  std::optional<BlockedResult> dz;
  std::optional<BlockedResult> dx;
  kernels::NormGradients wanted;
  wanted.dz = make(tail.residual && b.wants(*tail.residual), dz);
  wanted.dx = make(b.wants(0), dx);
  wanted.dw = b.wants(1) ? zeros_f64(channels) : Tensor();
  wanted.db = b.wants(2) ? zeros_f64(channels) : Tensor();
  kernels::normalize_backward(wanted, from, blocks_for(value, block),
                              {.groups = groups, .eps = epsilon, .w = parameter_for(weight(b), value)}, statistics,
                              dense(b(mean), kFloat64), r, group);
  if (dz) {
    b.dx(*tail.residual) = dz->get();
  }
  put(b, dx ? dx->get() : Tensor(), wanted.dw, wanted.db);
}

Tensor ChannelNormState::weighted(Backward& b, const Tensor& dy) const {
  return w.defined() ? dy * beside_channels(cast(b(w), dy.scalar_type()), dy) : dy;
}

void ChannelNormState::put_recorded(Backward& b, const Tensor& dy, const Tensor& dx, const Tensor& z) const {
  put(b, b.wants(0) ? dx : Tensor(), b.wants(1) ? sum_to_channels(dy * z) : Tensor(),
      b.wants(2) ? sum_to_channels(dy) : Tensor());
}

Tensor with_parameters(const Tensor& z, const Tensor& w, const Tensor& b) {
  const Tensor scaled = w.defined() ? z * cast(w, z.scalar_type()) : z;
  return b.defined() ? scaled + cast(b, z.scalar_type()) : scaled;
}

Tensor zeros_f64(IntArrayRef sizes) {
  Tensor y = empty_tensor(sizes, kFloat64);
  kernels::fill(y, 0);
  return y;
}

Tensor rstd_of(const Tensor& variance, double eps) {
  Tensor y = empty_tensor(variance.sizes(), kFloat64);
  const double* const from = variance.const_data_ptr<double>();
  double* const to = y.mutable_data_ptr<double>();
  const std::int64_t n = y.numel();
  for (std::int64_t i = 0; i < n; ++i) {
    to[i] = 1 / std::sqrt(from[i] + eps);
  }
  return y;
}

Tensor beside_channels(const Tensor& parameter, const Tensor& x) {
  if (!parameter.defined()) {
    return parameter;
  }
  DimVector sizes(x.sizes().size(), 1);
  sizes[1] = x.sizes()[1];
  return reshape(parameter, sizes);
}

Tensor sum_to_channels(const Tensor& x) {
  DimVector dims;
  for (std::int64_t d = 0; d < x.dim(); ++d) {
    if (d != 1) {
      dims.push_back(d);
    }
  }
  return sum(x, dims);
}

}  // namespace backflow::detail
