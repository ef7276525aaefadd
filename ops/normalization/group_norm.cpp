// Normalization of groups of channels.
#include <backflow/ops/kernels/normalization/normalize.h>
#include <backflow/ops/kernels/normalization/row_norm.h>
#include <backflow/ops/normalization/normalization_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::NormStatistics;

void check_operands(const char* where, const Tensor& x, const Tensor& w, const Tensor& b, std::int64_t groups) {
  check_channels(where, x);
  const std::int64_t channels = x.sizes()[1];
  check(groups > 0 && channels % groups == 0, where, ": ", groups, " groups of the channels of ", describe(x),
        ": need a number of groups that divides that of channels, ", channels);
  check_parameter(where, "weight", w, {channels}, x);
  check_parameter(where, "bias", b, {channels}, x);
}

/// Whether the groups of a sample are normalized as the rows of a matrix: where they are such, and channels have few
/// positions, so that going channel by channel would take longer than the arithmetic.
bool are_rows(const Tensor& x) { return kernels::block_of(x) == 1 && kernels::blocks_of(x.sizes(), 1).spatial <= 64; }

/// A channel's parameter at all positions, as rows want it; undefined if it is.
Tensor at_positions(const Tensor& parameter, const Tensor& x) {
  Tensor own = parameter_for(parameter, x);
  const std::int64_t positions = kernels::blocks_of(x.sizes(), 1).spatial;
  if (!own.defined() || positions == 1) {
    return own;
  }
  const std::int64_t channels = x.sizes()[1];
  return dense(expand(reshape(own, {channels, 1}), {channels, positions}), own.scalar_type());
}

struct NativeGroupNorm : ChannelNormState {
  static constexpr OperatorInfo info = {
      .signature =
          "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) "
          "-> (Tensor, Tensor, Tensor)",
      .formula =
          "y = (x - m) r w + b, r = 1 / sqrt(v + eps), with mean m and variance v of each group of channels of each "
          "sample;  with s(u) the mean of u over a group and z = (x - m) r: dx = r (dy w - s(dy w) - z s(dy w z)); "
          "dw = sum of dy z, db = sum of dy",
      .doc =
          "Group normalization of an input [N, C, spatial...] with HxW positions, and optional parameters [C]. Returns "
          "y, and m and r of shape [N, group].",
      .dtypes = kFloatingDtypes,
      .node = "NativeGroupNormBackward0",
  };
  std::int64_t groups;

  static std::tuple<Tensor, Tensor, Tensor> forward(const Tensor& x, const Tensor& w, const Tensor& b, std::int64_t n,
                                                    std::int64_t c, std::int64_t positions, std::int64_t group,
                                                    double eps) {
    check_operands("native_group_norm", x, w, b, group);
    const ChannelBlocks sizes = kernels::blocks_of(x.sizes(), 1);
    check(sizes.batch == n && sizes.channels == c && sizes.spatial == positions, "native_group_norm: N ", n, ", C ", c,
          ", HxW ", positions, ", input ", describe(x), ": need those of the input");
    if (are_rows(x)) {
      return normalize_rows(x, w, b, {n, group}, eps);
    }
    const std::int64_t block = kernels::block_of(x);
    BlockedResult y(x, block);
    const Tensor mean = zeros_f64({n, group});
    const Tensor variance = zeros_f64({n, group});
    kernels::normalize(y.to(), blocks_for(x, block),
                       {.groups = group, .eps = eps, .w = parameter_for(w, x), .b = parameter_for(b, x)},
                       NormStatistics::Own, mean, variance);
    if (x.numel() > 0 && !is_usable(variance, eps, x.scalar_type())) {
      return in_operators(x, w, b, group, eps);
    }
    return {y.get(), converted(mean, computed(x.scalar_type())),
            converted(rstd_of(variance, eps), computed(x.scalar_type()))};
  }
  void save(Needs, const Tensor& x_, const Tensor& w_, const Tensor& b, std::int64_t, std::int64_t, std::int64_t,
            std::int64_t group, double eps, const std::tuple<Tensor, Tensor, Tensor>& y) {
    save_all(x_, w_, b, std::get<1>(y), std::get<2>(y), eps);
    groups = group;
  }
  void backward(Backward& b) const {
    if (GradMode::is_enabled() || !has_usable_rstd(b)) {
      recorded(b);
    } else if (are_rows(b(x))) {
      put_rows(b);
    } else {
      put_fused(b, groups, NormStatistics::Own, dense(b(spread), kFloat64));
    }
  }

 private:
  static std::tuple<Tensor, Tensor, Tensor> normalize_rows(const Tensor& x, const Tensor& w, const Tensor& b,
                                                           IntArrayRef statistics, double eps) {
    const NoGradGuard no_grad;
    const ScalarType wide = computed(x.scalar_type());
    const Tensor y = empty_tensor(x.sizes(), wide);
    const Tensor m = zeros_f64(statistics);
    const Tensor r = zeros_f64(statistics);
    kernels::row_norm(y, dense(x, wide),
                      {.eps = eps, .w = at_positions(w, x), .b = at_positions(b, x), .sets = statistics[1]}, m, r);
    if (x.numel() > 0 && !is_usable_rstd(r, wide)) {
      return in_operators(x, w, b, statistics[1], eps);
    }
    return {converted(y, x.scalar_type()), converted(m, wide), converted(r, wide)};
  }
  /// x as [batch, groups, numbers of a group].
  static Tensor in_groups(const Tensor& x, std::int64_t groups) {
    const ChannelBlocks sizes = kernels::blocks_of(x.sizes(), 1);
    return reshape(x, {sizes.batch, groups, sizes.channels / groups * sizes.spatial});
  }
  /// What forward gives, where squares overflow or vanish.
  static std::tuple<Tensor, Tensor, Tensor> in_operators(const Tensor& x, const Tensor& w, const Tensor& b,
                                                         std::int64_t groups, double eps) {
    const NoGradGuard no_grad;
    const Tensor from = in_groups(cast(x, computed(x.scalar_type())), groups);
    const RecordedNorm norm(from, {2}, eps, true);
    const Tensor y = with_parameters(reshape(norm.z(), x.sizes()), beside_channels(w, x), beside_channels(b, x));
    return {cast(y, x.scalar_type()), backflow::mean(from, {2}), squeeze(norm.r(), 2)};
  }
  void put_rows(Backward& b) const {
    const Tensor value = b(x);
    const ScalarType wide = computed(value.scalar_type());
    const ChannelBlocks sizes = kernels::blocks_of(value.sizes(), 1);
    const DimVector parameter{sizes.channels, sizes.spatial};
    const kernels::RowNormGradients wanted{.dx = b.wants(0) ? empty_tensor(value.sizes(), wide) : Tensor(),
                                           .dw = b.wants(1) ? zeros_f64(parameter) : Tensor(),
                                           .db = b.wants(2) ? zeros_f64(parameter) : Tensor()};
    kernels::row_norm_backward(wanted, dense(b.dy(), wide), dense(value, wide),
                               {.eps = epsilon, .w = at_positions(weight(b), value), .sets = groups},
                               dense(b(mean), kFloat64), dense(b(spread), kFloat64));
    put(b, wanted.dx, b.wants(1) ? sum(wanted.dw, 1) : Tensor(), b.wants(2) ? sum(wanted.db, 1) : Tensor());
  }
  void recorded(Backward& b) const {
    const Tensor value = b(x);
    const Tensor dy = cast(b.dy(), computed(x_dtype));
    const RecordedNorm norm(in_groups(cast(value, dy.scalar_type()), groups), {2}, epsilon, true);
    const Tensor dx = norm.dx(in_groups(weighted(b, dy), groups), true);
    put_recorded(b, dy, reshape(dx, value.sizes()), reshape(norm.z(), value.sizes()));
  }

 public:
  template <class... Rest>
  static Cost forward_cost(const Tensor& x, const Rest&...) {
    return elementwise_cost(x, 3);
  }
  template <class... Rest>
  static Cost cost(const Tensor& x, const Rest&...) {
    return elementwise_cost(x, 5);
  }
};

struct GroupNorm {
  static constexpr OperatorInfo info = {
      .signature =
          "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool "
          "cudnn_enabled=True) -> Tensor",
      .formula = "y = native_group_norm(x, w, b, ...)",
      .doc =
          "Group normalization of an input [batch, channels, spatial...]; num_groups divides the number of channels. "
          "cudnn_enabled is ignored.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, std::int64_t groups, const Tensor& w, const Tensor& b, double eps, bool) {
    check_operands("group_norm", x, w, b, groups);
    const ChannelBlocks sizes = kernels::blocks_of(x.sizes(), 1);
    return std::get<0>(native_group_norm(x, w, b, sizes.batch, sizes.channels, sizes.spatial, groups, eps));
  }
};

}  // namespace

#include <backflow/ops/group_norm_functions.inc>

OperatorFamily group_norm_operators() { return family<NativeGroupNorm, GroupNorm>("group_norm"); }

}  // namespace backflow
