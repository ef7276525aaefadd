// Sums and means over dimensions.
#include <backflow/ops/kernels/reduce.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

enum class KeepDim { No, Yes };

/// One flag per dimension of x: whether `dim` lists it; an empty list means all.
DimVector reduced_dims(const char* where, const Tensor& x, IntArrayRef dim) {
  DimVector flags(x.sizes().size(), dim.empty() ? 1 : 0);
  for (const std::int64_t d : dim) {
    const std::size_t wrapped = wrap_dim(where, d, x.sizes().size());
    if (x.dim() == 0) {
      continue;
    }
    check(flags[wrapped] == 0, where, ": dimension ", d, " of ", describe(x), " is listed twice in ", dim,
          ": need each once");
    flags[wrapped] = 1;
  }
  return flags;
}

DimVector reduced_sizes(const Tensor& x, const DimVector& flags, KeepDim keep) {
  DimVector sizes;
  for (std::size_t d = 0; d < flags.size(); ++d) {
    if (flags[d] == 0) {
      sizes.push_back(x.sizes()[d]);
    } else if (keep == KeepDim::Yes) {
      sizes.push_back(1);
    }
  }
  return sizes;
}

Tensor sum_over(const Tensor& x, const DimVector& flags, KeepDim keep) {
  // Sums of small integers are int64, as in PyTorch; those of bfloat16 are rounded once.
  const ScalarType dtype = !x.is_floating_point() ? kInt64 : x.scalar_type() == kBFloat16 ? kFloat32 : x.scalar_type();
  Tensor y = empty_tensor(reduced_sizes(x, flags, keep), dtype);
  kernels::sum(y, x.scalar_type() == dtype ? x : to(x, dtype), flags);
  return x.scalar_type() == kBFloat16 ? to(y, kBFloat16) : y;
}

/// The gradient of a sum: dy repeated over what was summed.
Tensor expand_over(const Tensor& dy, IntArrayRef sizes, const DimVector& flags) {
  DimVector kept(sizes);
  for (std::size_t d = 0; d < flags.size(); ++d) {
    if (flags[d] != 0) {
      kept[d] = 1;
    }
  }
  return expand(dy.sizes() == IntArrayRef(kept) ? dy : reshape(dy, kept), sizes);
}

/// The state that the gradient of every sum needs.
struct SumOperator {
  DimVector sizes;
  DimVector flags;
  void save_geometry(const Tensor& x, const DimVector& flags_) {
    sizes = x.sizes();
    flags = flags_;
  }
  Tensor gradient(const Tensor& dy) const { return expand_over(dy, sizes, flags); }
  /// How many terms each sum has.
  std::int64_t count() const {
    std::int64_t n = 1;
    for (std::size_t d = 0; d < flags.size(); ++d) {
      n *= flags[d] != 0 ? sizes[d] : 1;
    }
    return n;
  }
};

struct Sum : SumOperator {
  static constexpr OperatorInfo info = {
      .name = "sum",
      .signature = "sum(Tensor self) -> Tensor",
      .formula = "y = sum of all x;  dx = dy everywhere",
      .doc = "A scalar; integers give int64. Blocked summation, the same bits on any number of threads.",
      .dtypes = kAnyDtype,
      .node = "SumBackward0",
  };
  static Tensor forward(const Tensor& x) { return sum_over(x, DimVector(x.sizes().size(), 1), KeepDim::No); }
  void save(Needs, const Tensor& x, const Tensor&) { save_geometry(x, DimVector(x.sizes().size(), 1)); }
  void backward(Backward& b) const { b.dx(0) = gradient(b.dy()); }
};

struct SumDim : SumOperator {
  static constexpr OperatorInfo info = {
      .name = "sum",
      .signature = "sum(Tensor self, int[] dim, bool keepdim=False) -> Tensor",
      .formula = "y = sum of x over dim;  dx = dy repeated over dim",
      .doc = "Negative dimensions count from the end, an empty list means all. With keepdim they stay with size 1.",
      .dtypes = kAnyDtype,
      .node = "SumBackward1",
  };
  static Tensor forward(const Tensor& x, IntArrayRef dim, bool keepdim) {
    return sum_over(x, reduced_dims("sum", x, dim), keepdim ? KeepDim::Yes : KeepDim::No);
  }
  void save(Needs, const Tensor& x, IntArrayRef dim, bool, const Tensor&) {
    save_geometry(x, reduced_dims("sum", x, dim));
  }
  void backward(Backward& b) const { b.dx(0) = gradient(b.dy()); }
};

struct Mean : SumOperator {
  static constexpr OperatorInfo info = {
      .name = "mean",
      .signature = "mean(Tensor self) -> Tensor",
      .formula = "y = sum of all x / n;  dx = dy / n everywhere",
      .doc = "A scalar; needs a floating-point tensor. The mean of nothing is NaN.",
      .dtypes = kFloatingDtypes,
      .node = "MeanBackward0",
  };
  static Tensor forward(const Tensor& x) {
    check(x.is_floating_point(), "mean: ", describe(x), ": need a floating-point tensor; to(kFloat32) gives one");
    return div(Sum::forward(x), x.numel());
  }
  void save(Needs, const Tensor& x, const Tensor&) { save_geometry(x, DimVector(x.sizes().size(), 1)); }
  void backward(Backward& b) const { b.dx(0) = gradient(b.dy() / count()); }
};

struct MeanDim : SumOperator {
  static constexpr OperatorInfo info = {
      .name = "mean",
      .signature = "mean(Tensor self, int[] dim, bool keepdim=False) -> Tensor",
      .formula = "y = sum of x over dim / n;  dx = dy / n repeated over dim",
      .doc = "As sum over dim, divided by the number of terms; needs a floating-point tensor.",
      .dtypes = kFloatingDtypes,
      .node = "MeanBackward1",
  };
  static Tensor forward(const Tensor& x, IntArrayRef dim, bool keepdim) {
    check(x.is_floating_point(), "mean: ", describe(x), ": need a floating-point tensor; to(kFloat32) gives one");
    SumOperator geometry;
    geometry.save_geometry(x, reduced_dims("mean", x, dim));
    return div(sum_over(x, geometry.flags, keepdim ? KeepDim::Yes : KeepDim::No), geometry.count());
  }
  void save(Needs, const Tensor& x, IntArrayRef dim, bool, const Tensor&) {
    save_geometry(x, reduced_dims("mean", x, dim));
  }
  void backward(Backward& b) const { b.dx(0) = gradient(b.dy() / count()); }
};

struct SumToSize {
  static constexpr OperatorInfo info = {
      .name = "sum_to_size",
      .signature = "sum_to_size(Tensor self, int[] size) -> Tensor",
      .formula = "y = x summed over what broadcasting `size` would repeat;  dx = dy expanded",
      .doc = "The opposite of expand; an Error when `size` does not broadcast to the shape of x.",
      .dtypes = kAnyDtype,
      .node = "SumToSizeBackward0",
  };
  DimVector sizes;
  static Tensor forward(const Tensor& x, IntArrayRef size) {
    const std::size_t rank = x.sizes().size();
    const auto check_fit = [&](bool fits) {
      check(fits, "sum_to_size: ", describe(x), " to ", size, ": need sizes that broadcast to the tensor's");
    };
    check_fit(size.size() <= rank);
    const std::size_t added = rank - size.size();
    DimVector flags(rank, 0);
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t wanted = d < added ? 1 : size[d - added];
      check_fit(wanted == x.sizes()[d] || wanted == 1);
      flags[d] = d < added || (wanted == 1 && x.sizes()[d] != 1);
    }
    const Tensor y = sum_over(x, flags, KeepDim::Yes);
    return view_of(y, size, contiguous_strides(size), 0);
  }
  void save(Needs, const Tensor& x, IntArrayRef, const Tensor&) { sizes = x.sizes(); }
  void backward(Backward& b) const { b.dx(0) = expand(b.dy(), sizes); }
};

}  // namespace

#include <backflow/ops/reduction_functions.inc>

OperatorFamily reduction_operators() { return family<Sum, SumDim, Mean, MeanDim, SumToSize>("reduction"); }

}  // namespace backflow
