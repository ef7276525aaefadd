// Elements that a mask chooses.
#include <algorithm>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/elementwise/numbers_internal.h>
#include <backflow/ops/indexing/indices_internal.h>
#include <backflow/ops/kernels/indexing/masked.h>

namespace backflow {
namespace {

using namespace detail;

/// The mask as bool; uint8 is taken too, as PyTorch still does.
Tensor as_bool(const char* where, const Tensor& mask) {
  check(mask.scalar_type() == kBool || mask.scalar_type() == kUInt8, where, ": mask ", describe(mask),
        ": need dtype bool");
  if (mask.scalar_type() == kBool) {
    return mask;
  }
  Tensor converted = empty_tensor_like(mask, kBool);
  kernels::copy(converted, mask);
  return converted;
}

/// `x` expanded to `sizes` in row-major order, off the tape.
Tensor row_major(const Tensor& x, IntArrayRef sizes) {
  if (x.is_contiguous() && x.sizes() == sizes) {
    return x;
  }
  Tensor y = empty_tensor(sizes, x.scalar_type());
  kernels::copy(y, x);
  return y;
}

/// What the operators have in common: the mask, and the sizes of x before broadcasting.
struct MaskOperator {
  SavedTensor mask;
  DimVector sizes;

 protected:
  void save_mask(const Tensor& x, const Tensor& mask_) {
    mask.save(mask_);
    sizes = x.sizes();
  }
  Tensor reduced(Tensor dx) const { return dx.sizes() == IntArrayRef(sizes) ? dx : sum_to_size(dx, sizes); }
  static void check_mask_inplace(const char* where, const Tensor& y, const Tensor& mask) {
    check(is_expandable_to(mask.sizes(), y.sizes()), where, ": mask ", describe(mask), ", tensor ", describe(y),
          ": need a mask that broadcasts to the tensor's shape");
  }
};

struct MaskedFillOperator : MaskOperator {
 protected:
  static Tensor filled(const Tensor& x, const Tensor& mask, const Tensor& value) {
    Tensor y = empty_tensor(broadcast_shapes("masked_fill", x.sizes(), mask.sizes()), x.scalar_type());
    kernels::where(y, as_bool("masked_fill", mask), Cast(value, x.scalar_type()), x);
    return y;
  }
  static bool fill_into(const Tensor& y, const Tensor& mask, const Tensor& value) {
    check_mask_inplace("masked_fill_", y, mask);
    if (y.is_alias_of(mask) || y.is_alias_of(value)) {
      return false;
    }
    kernels::where(y, as_bool("masked_fill_", mask), Cast(value, y.scalar_type()), y);
    return true;
  }
};

struct MaskedFillScalar : MaskedFillOperator {
  static constexpr OperatorInfo info = {
      .signature = "masked_fill(Tensor self, Tensor mask, Scalar value) -> Tensor",
      .formula = "y = c where the mask is true, else x;  dx = dy with 0 there",
      .doc =
          "Replaces the elements of x where the bool mask is true. Mask and x broadcast; the number is converted to "
          "the dtype of x.",
      .dtypes = kAnyDtype,
      .node = "MaskedFillBackward0",
      .inplace = "masked_fill_(Tensor self, Tensor mask, Scalar value) -> Tensor",
  };
  static Tensor forward(const Tensor& x, const Tensor& mask, const Scalar& value) {
    return filled(x, mask, number_as("masked_fill", value, x.scalar_type()));
  }
  static bool forward_into(const Tensor& y, const Tensor&, const Tensor& mask, const Scalar& value) {
    return fill_into(y, mask, number_as("masked_fill_", value, y.scalar_type()));
  }
  void save(Needs, const Tensor& x, const Tensor& mask_, const Scalar&, const Tensor&) { save_mask(x, mask_); }
  void backward(Backward& b) const { b.dx(0) = reduced(masked_fill(b.dy(), b(mask), 0)); }
};

struct MaskedFill : MaskedFillOperator {
  static constexpr OperatorInfo info = {
      .signature = "masked_fill(Tensor self, Tensor mask, Tensor value) -> Tensor",
      .formula = "y = w where the mask is true, else x;  dx = dy with 0 there, dw = the sum of dy there",
      .doc = "The same with the number of a tensor without dimensions.",
      .dtypes = kAnyDtype,
      .node = "MaskedFillBackward1",
      .inplace = "masked_fill_(Tensor self, Tensor mask, Tensor value) -> Tensor",
  };
  ScalarType value_dtype;
  static Tensor forward(const Tensor& x, const Tensor& mask, const Tensor& value) {
    check_value("masked_fill", value, x.scalar_type());
    return filled(x, mask, value);
  }
  static bool forward_into(const Tensor& y, const Tensor&, const Tensor& mask, const Tensor& value) {
    check_value("masked_fill_", value, y.scalar_type());
    return fill_into(y, mask, value);
  }
  void save(Needs, const Tensor& x, const Tensor& mask_, const Tensor& value, const Tensor&) {
    save_mask(x, mask_);
    value_dtype = value.scalar_type();
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return reduced(masked_fill(b.dy(), b(mask), 0)); });
    b.set_dx(2, [&] { return to(sum(masked_select(b.dy(), b(mask))), value_dtype); });
  }

 private:
  static void check_value(const char* where, const Tensor& value, ScalarType dtype) {
    check(value.dim() == 0, where, ": value ", describe(value), ": need a tensor without dimensions");
    if (value.scalar_type() != dtype) {
      check_number(where, value.item(), dtype);
    }
  }
};

struct MaskedSelect : MaskOperator {
  static constexpr OperatorInfo info = {
      .signature = "masked_select(Tensor self, Tensor mask) -> Tensor",
      .formula = "y = the elements of x where the mask is true;  dx = zeros with dy there",
      .doc =
          "The elements of x where the bool mask is true, in row-major order, as one dimension. Mask and x broadcast.",
      .dtypes = kAnyDtype,
      .node = "MaskedSelectBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& mask) {
    const DimVector common = broadcast_shapes("masked_select", x.sizes(), mask.sizes());
    return kernels::compact(row_major(x, common), row_major(as_bool("masked_select", mask), common));
  }
  void save(Needs, const Tensor& x, const Tensor& mask_, const Tensor&) { save_mask(x, mask_); }
  void backward(Backward& b) const {
    const Tensor chosen = b(mask);
    const DimVector common = broadcast_shapes("masked_select", sizes, chosen.sizes());
    b.dx(0) = reduced(masked_scatter(zeros(common, b.dy().scalar_type()), chosen, b.dy()));
  }
};

struct MaskedScatter : MaskOperator {
  static constexpr OperatorInfo info = {
      .signature = "masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
      .formula =
          "y = the elements of w one after the other where the mask is true, else x;  dx = dy with 0 there, dw = "
          "the elements of dy there",
      .doc =
          "Replaces the elements of x where the bool mask is true by those of the source, in order. Mask and x "
          "broadcast. The source has any shape and the dtype of x; it must have enough elements.",
      .dtypes = kAnyDtype,
      .node = "MaskedScatterBackward0",
      .inplace = "masked_scatter_(Tensor self, Tensor mask, Tensor source) -> Tensor",
  };
  DimVector source_sizes;
  static Tensor forward(const Tensor& x, const Tensor& mask, const Tensor& source) {
    Tensor y = empty_tensor(broadcast_shapes("masked_scatter", x.sizes(), mask.sizes()), x.scalar_type());
    kernels::copy(y, x);
    scatter_into("masked_scatter", y, mask, source);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor&, const Tensor& mask, const Tensor& source) {
    check_mask_inplace("masked_scatter_", y, mask);
    if (!y.is_contiguous() || y.is_alias_of(mask) || y.is_alias_of(source)) {
      return false;
    }
    scatter_into("masked_scatter_", y, mask, source);
    return true;
  }
  void save(Needs, const Tensor& x, const Tensor& mask_, const Tensor& source, const Tensor&) {
    save_mask(x, mask_);
    source_sizes = source.sizes();
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return reduced(masked_fill(b.dy(), b(mask), 0)); });
    if (b.wants(2)) {
      const Tensor used = masked_select(b.dy(), b(mask));
      const std::int64_t left = numel_of(source_sizes) - used.numel();
      b.dx(2) = reshape(left == 0 ? used : constant_pad_nd(used, {0, left}), source_sizes);
    }
  }

 private:
  static void scatter_into(const char* where, const Tensor& y, const Tensor& mask, const Tensor& source) {
    check(source.scalar_type() == y.scalar_type(), where, ": source ", describe(source), ", tensor ", describe(y),
          ": need equal dtypes");
    kernels::spread(where, y, row_major(as_bool(where, mask), y.sizes()), row_major(source, source.sizes()));
  }
};

struct Nonzero {
  static constexpr OperatorInfo info = {
      .signature = "nonzero(Tensor self) -> Tensor",
      .formula = "y[k] = the index of the k-th element of x that is not 0",
      .doc =
          "The indices of the n elements that are not 0: int64 [n, dimensions of x], in row-major order; not "
          "differentiable.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x) {
    Tensor mask = empty_tensor_like(x, kBool);
    kernels::compare(kernels::functions::NotEqual{}, mask, x, Scalar(0));
    const Tensor places = kernels::true_places(mask);
    const auto rank = static_cast<std::size_t>(x.dim());
    Tensor y = empty_tensor({places.numel(), x.dim()}, kInt64);
    std::int64_t* to = y.mutable_data_ptr<std::int64_t>();
    const std::int64_t* from = places.const_data_ptr<std::int64_t>();
    for (std::int64_t k = 0; k < places.numel(); ++k, to += rank) {
      std::int64_t rest = from[k];
      for (std::size_t d = rank; d-- > 0;) {
        to[d] = rest % x.sizes()[d];
        rest /= x.sizes()[d];
      }
    }
    return y;
  }
};

struct OneHot {
  static constexpr OperatorInfo info = {
      .signature = "one_hot(Tensor input, int num_classes=-1) -> Tensor",
      .formula = "y[i][c] = 1 where x[i] = c, else 0",
      .doc =
          "One-hot encoding of int64 classes of any shape: int64, with one more dimension. By default its size is the "
          "largest class plus 1. An Error for classes out of range.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t num_classes) {
    check(x.scalar_type() == kInt64, "one_hot: classes ", describe(x), ": need dtype i64");
    check(x.numel() > 0 || num_classes > 0, "one_hot: no classes (", describe(x), "): need num_classes");
    const Tensor classes = row_major(x, x.sizes());
    const std::int64_t* values = classes.const_data_ptr<std::int64_t>();
    const std::int64_t* end = values + classes.numel();
    const std::int64_t n = num_classes > 0 ? num_classes : *std::max_element(values, end) + 1;
    DimVector sizes(x.sizes());
    sizes.push_back(n);
    Tensor y = zeros(sizes, kInt64);
    std::int64_t* to = y.mutable_data_ptr<std::int64_t>();
    for (; values != end; ++values, to += n) {
      check(*values >= 0 && *values < n, "one_hot: class ", *values, " of ", describe(x), ": need one in [0, ", n - 1,
            "]");
      to[*values] = 1;
    }
    return y;
  }
};

}  // namespace

#include <backflow/ops/masking_functions.inc>

OperatorFamily masking_operators() {
  return family<MaskedFillScalar, MaskedFill, MaskedSelect, MaskedScatter, Nonzero, OneHot>("masking");
}

}  // namespace backflow
