// Running sums and products, and the recurrence that their gradients need.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/kernels/reductions/scan.h>
#include <backflow/ops/reductions/reduction_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Direction;
using kernels::Scan;

/// y = the scan of x, whose elements are converted to y's dtype first; y may be x itself.
void scan_into(Scan f, Direction direction, const Tensor& y, const Tensor& x, std::size_t dim) {
  const ScalarType dtype = y.scalar_type();
  const ScalarType wide = is_floating_point(dtype) ? computed(dtype) : kInt64;
  const Tensor from = dense(converted(x, dtype), wide);
  const bool direct = y.is_contiguous() && dtype == wide;
  const Tensor to = direct ? y : empty_tensor(y.sizes(), wide);
  kernels::scan(f, direction, to, from, dim);
  if (!direct) {
    kernels::copy(y, to);
  }
}

Tensor scan(const char* where, Scan f, const Tensor& x, std::int64_t dim, std::optional<ScalarType> dtype) {
  const std::size_t d = wrap_dim(where, dim, x.sizes().size());
  Tensor y = empty_tensor(x.sizes(), sum_dtype(x, dtype));
  scan_into(f, Direction::Forward, y, x, d);
  return y;
}

/// The same in place, where y keeps its dtype; false for bool, whose sums are not.
bool scan_inplace(const char* where, Scan f, const Tensor& y, const Tensor& x, std::int64_t dim,
                  std::optional<ScalarType> dtype) {
  const std::size_t d = wrap_dim(where, dim, x.sizes().size());
  check(dtype.value_or(y.scalar_type()) == y.scalar_type(), where, ": dtype ", short_name(dtype.value_or(kBool)),
        ", the tensor ", describe(y), ": need the tensor's own");
  if (y.scalar_type() == kBool) {
    return false;
  }
  scan_into(f, Direction::Forward, y, x, d);
  return true;
}

struct Cumsum {
  static constexpr OperatorInfo info = {
      .signature = "cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
      .formula = "y[k] = x[0] + ... + x[k] along dim;  dx = the same of dy from the end",
      .doc =
          "Running sums; integers give int64. With dtype, elements are converted first. float32 is summed in float64.",
      .dtypes = kAnyDtype,
      .node = "CumsumBackward0",
      .inplace = "cumsum_(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
  };
  std::int64_t dim_;
  ScalarType x_dtype;
  static Tensor forward(const Tensor& x, std::int64_t dim, std::optional<ScalarType> dtype) {
    return scan("cumsum", Scan::Sum, x, dim, dtype);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, std::int64_t dim, std::optional<ScalarType> dtype) {
    return scan_inplace("cumsum_", Scan::Sum, y, x, dim, dtype);
  }
  void save(Needs, const Tensor& x, std::int64_t dim, std::optional<ScalarType>, const Tensor&) {
    dim_ = dim;
    x_dtype = x.scalar_type();
  }
  void backward(Backward& b) const { b.dx(0) = cast(reverse_cumsum(b.dy(), dim_), x_dtype); }
};

struct ReverseCumsum {
  static constexpr OperatorInfo info = {
      .signature = "reverse_cumsum(Tensor input, int dim) -> Tensor",
      .formula = "y[k] = x[k] + ... + x[n-1] along dim;  dx = cumsum(dy)",
      .doc = "Running sums from the end: the gradient of cumsum.",
      .dtypes = kAnyDtype,
      .node = "ReverseCumsumBackward0",
  };
  std::int64_t dim_;
  static Tensor forward(const Tensor& x, std::int64_t dim) {
    Tensor y = empty_tensor(x.sizes(), sum_dtype(x, std::nullopt));
    scan_into(Scan::Sum, Direction::Backward, y, x, wrap_dim("reverse_cumsum", dim, x.sizes().size()));
    return y;
  }
  void save(Needs, const Tensor&, std::int64_t dim, const Tensor&) { dim_ = dim; }
  void backward(Backward& b) const { b.dx(0) = cumsum(b.dy(), dim_); }
};

struct Cumprod {
  static constexpr OperatorInfo info = {
      .signature = "cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
      .formula = "y[k] = x[0] ... x[k] along dim;  dx[k] = y[k-1] r[k], r[k] = dy[k] + x[k+1] r[k+1]",
      .doc =
          "Running products; integers give int64. With dtype, elements are converted first. The gradient does not "
          "divide, so it is right where x has zeros.",
      .dtypes = kAnyDtype,
      .node = "CumprodBackward0",
      .inplace = "cumprod_(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor",
  };
  SavedTensor x;
  SavedTensor y;
  std::int64_t dim_;
  static Tensor forward(const Tensor& x, std::int64_t dim, std::optional<ScalarType> dtype) {
    return scan("cumprod", Scan::Prod, x, dim, dtype);
  }
  static bool forward_into(const Tensor& y, const Tensor& x, std::int64_t dim, std::optional<ScalarType> dtype) {
    return scan_inplace("cumprod_", Scan::Prod, y, x, dim, dtype);
  }
  void save(Needs, const Tensor& x_, std::int64_t dim, std::optional<ScalarType>, const Tensor& y_) {
    x.save(x_);
    y.save_output(y_);
    dim_ = dim;
  }
  void backward(Backward& b) const {
    const Tensor from = b(x);
    b.dx(0) = cast(cumprod_gradient(b.dy(), cast(from, b.dy().scalar_type()), b(y), dim_), from.scalar_type());
  }
};

/// The elements of x one place later along `dim`, or earlier for Direction::Backward; a zero comes in.
Tensor shifted(const Tensor& x, std::int64_t dim, Direction direction) {
  const std::int64_t n = x.size(dim);
  if (n == 0) {
    return x;
  }
  DimVector sizes(x.sizes());
  sizes[wrap_dim("shift", dim, sizes.size())] = 1;
  const Tensor zero = zeros(sizes, TensorOptions(x.scalar_type()));
  return direction == Direction::Forward ? cat({zero, narrow(x, dim, 0, n - 1)}, dim)
                                         : cat({narrow(x, dim, 1, n - 1), zero}, dim);
}

struct LinearRecurrence {
  static constexpr OperatorInfo info = {
      .signature = "linear_recurrence(Tensor input, Tensor factor, int dim, bool reverse=False) -> Tensor",
      .formula = "y[k] = x[k] + a[k] y[k-1] along dim;  dx[k] = dy[k] + a[k+1] dx[k+1], da[k] = dx[k] y[k-1]",
      .doc =
          "A linear recurrence of first order, which starts with y = 0; with `reverse` from the last element to the "
          "first. Both operands have one shape, with at least one dimension, and one floating-point dtype.",
      .dtypes = kFloatingDtypes,
      .node = "LinearRecurrenceBackward0",
  };
  SavedTensor factor;
  SavedTensor y;
  std::int64_t dim_;
  bool reverse_;
  static Tensor forward(const Tensor& x, const Tensor& a, std::int64_t dim, bool reverse) {
    check(x.sizes() == a.sizes() && x.scalar_type() == a.scalar_type() && x.is_floating_point() && x.dim() > 0,
          "linear_recurrence: input ", describe(x), ", factor ", describe(a),
          ": need one shape and one floating-point dtype");
    const std::size_t d = wrap_dim("linear_recurrence", dim, x.sizes().size());
    const ScalarType dtype = computed(x.scalar_type());
    const Tensor y = empty_tensor(x.sizes(), dtype);
    kernels::recurrence(reverse ? Direction::Backward : Direction::Forward, y, dense(x, dtype), dense(a, dtype), d);
    return converted(y, x.scalar_type());
  }
  void save(Needs, const Tensor&, const Tensor& a, std::int64_t dim, bool reverse, const Tensor& y_) {
    factor.save(a);
    y.save_output(y_);
    dim_ = dim;
    reverse_ = reverse;
  }
  void backward(Backward& b) const {
    const Direction along = reverse_ ? Direction::Backward : Direction::Forward;
    const Direction against = reverse_ ? Direction::Forward : Direction::Backward;
    Tensor dx = linear_recurrence(b.dy(), shifted(b(factor), dim_, against), dim_, !reverse_);
    b.set_dx(0, [&] { return dx; });
    b.set_dx(1, [&] { return dx * shifted(b(y), dim_, along); });
  }
};

}  // namespace

Tensor detail::cumprod_gradient(const Tensor& dy, const Tensor& x, const Tensor& y, std::int64_t dim) {
  if (x.dim() == 0 || x.numel() == 0) {
    return dy;
  }
  const Tensor first = ones_like(narrow(y.detach(), dim, 0, 1));
  const Tensor before = cat({first, narrow(y, dim, 0, y.size(dim) - 1)}, dim);
  return before * linear_recurrence(dy, shifted(x, dim, Direction::Backward), dim, true);
}

#include <backflow/ops/scans_functions.inc>

OperatorFamily scans_operators() { return family<Cumsum, ReverseCumsum, Cumprod, LinearRecurrence>("scans"); }

}  // namespace backflow
