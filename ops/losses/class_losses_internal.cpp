#include <backflow/ops/losses/class_losses_internal.h>

namespace backflow::detail {

ClassPositions::ClassPositions(const char* where, IntArrayRef sizes, const Tensor& target, std::int64_t ignored)
    : where_(where) {
  DimVector positions(sizes);
  if (!positions.empty()) {
    at_.classes = sizes[positions.size() == 1 ? 0 : 1];
    for (std::size_t d = sizes.size() == 1 ? 0 : 1; d + 1 < positions.size(); ++d) {
      positions[d] = positions[d + 1];
      at_.inner *= positions[d];
    }
    positions.pop_back();
    at_.outer = sizes.size() == 1 ? 1 : sizes[0];
  }
  check(!sizes.empty() && target.defined() && target.sizes() == IntArrayRef(positions), where, ": input of shape ",
        sizes, ", target ", describe(target),
        ": need an input [classes], [rows, classes] or [rows, classes, ...] and a target of its shape without the "
        "classes");
  check(target.scalar_type() == kInt64, where, ": target ", describe(target), ": need int64 class indices");
  target_ = target.contiguous();
  at_.target = target_.const_data_ptr<std::int64_t>();
  at_.ignored = ignored;
}

void ClassPositions::check_none_bad(std::int64_t position) const {
  if (position < 0) {
    return;
  }
  const std::int64_t c = at_.target[position];
  check(at_.inner != 1, where_, ": target ", c, " in row ", position, ": need a class in [0, ", at_.classes, ")");
  fail(where_, ": target ", c, " in row ", position / at_.inner, ", element ", position % at_.inner,
       " of it: need a class in [0, ", at_.classes, ")");
}

void check_scores(const char* where, const Tensor& x, const Tensor& weight, std::int64_t classes) {
  check(x.is_floating_point(), where, ": input ", describe(x), ": need a floating-point tensor");
  if (weight.defined()) {
    check(weight.scalar_type() == x.scalar_type() && weight.dim() == 1 && weight.size(0) == classes, where, ": weight ",
          describe(weight), ", input ", describe(x), ": need one number of its dtype for each of ", classes,
          " classes");
  }
}

Tensor reduce_classes(const Tensor& losses, const kernels::ClassSums& sums, std::int64_t reduction, ScalarType dtype) {
  if (reduction == Reduction::None) {
    return converted(losses, dtype);
  }
  Tensor y = empty_tensor({}, dtype);
  kernels::fill(y, reduction == Reduction::Mean ? sums.loss / sums.weight : sums.loss);
  return y;
}

Tensor along_classes(const Tensor& weight, const Tensor& x) {
  DimVector sizes(x.sizes().size(), 1);
  sizes[static_cast<std::size_t>(class_dim(x))] = weight.size(0);
  return reshape(weight, sizes);
}

}  // namespace backflow::detail
