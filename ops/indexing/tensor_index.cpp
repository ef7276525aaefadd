// Tensor::index and index_put_ with indices of all kinds: views as far as they go, then the operators of index tensors.
#include <backflow/ops/indexing/tensor_index.h>

#include <algorithm>
#include <span>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow {
namespace {

using indexing::Slice;
using indexing::TensorIndex;
using Indices = std::span<const TensorIndex>;

bool is_mask(const Tensor& x) { return x.scalar_type() == kBool || x.scalar_type() == kUInt8; }

/// Dimensions of the tensor that an index stands for.
std::int64_t dims_of(const TensorIndex& index) {
  if (index.is_tensor()) {
    const Tensor& tensor = index.tensor();
    return is_mask(tensor) ? tensor.dim() : 1;
  }
  return index.is_integer() || index.is_slice() ? 1 : 0;
}

/// Applies indices one by one, from the first dimension on.
class Indexing {
 public:
  Indexing(const char* where, const Tensor& x, Indices indices) : view_(x) {
    std::int64_t used = 0;
    std::int64_t ellipses = 0;
    for (const TensorIndex& index : indices) {
      used += dims_of(index);
      ellipses += index.is_ellipsis() ? 1 : 0;
    }
    check(used <= x.dim(), where, ": ", used, " indices of ", describe(x), ": need at most one for each dimension");
    check(ellipses <= 1, where, ": ", ellipses, " ellipses: need at most one");
    for (const TensorIndex& index : indices) {
      if (index.is_ellipsis()) {
        dim_ += x.dim() - used;
      } else {
        apply(index);
      }
    }
  }

  /// What the indices other than tensors choose.
  const Tensor& view() const { return view_; }
  /// The tensors, for `index` of the view; undefined ones leave a dimension.
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  void apply(const TensorIndex& index) {
    if (index.is_none()) {
      view_ = unsqueeze(view_, dim_++);
    } else if (index.is_integer()) {
      view_ = select(view_, dim_, index.integer());
    } else if (index.is_boolean()) {
      apply(index.boolean());
    } else if (index.is_slice()) {
      const Slice& s = index.slice();
      if (s.start().value_or(0) != 0 || s.stop() || s.step() != 1) {
        view_ = slice(view_, dim_, s.start(), s.stop(), s.step());
      }
      ++dim_;
    } else {
      apply(index.tensor());
    }
  }
  /// A new dimension with one slice or none.
  void apply(bool value) {
    view_ = unsqueeze(view_, dim_);
    note(zeros({value ? 1 : 0}, kInt64), 1);
  }
  void apply(const Tensor& tensor) {
    if (tensor.dim() > 0) {
      note(tensor, is_mask(tensor) ? tensor.dim() : 1);
    } else if (is_mask(tensor)) {
      apply(tensor.item<bool>());
    } else {
      check(!tensor.is_floating_point(), "index: index ", describe(tensor), ": need dtype i64 or bool");
      view_ = select(view_, dim_, tensor.item<std::int64_t>());
    }
  }
  /// A tensor that stands for this many dimensions of the view.
  void note(const Tensor& tensor, std::int64_t dims) {
    tensors_.resize(tensors_.size() + static_cast<std::size_t>(dim_ - covered_));
    tensors_.push_back(tensor);
    dim_ += dims;
    covered_ = dim_;
  }

  Tensor view_;
  std::vector<Tensor> tensors_;
  std::int64_t dim_ = 0;      // of the view, that the next index stands for
  std::int64_t covered_ = 0;  // dimensions of the view that `tensors_` stand for
};

/// `x` without leading dimensions of size 1, which do not count where it is written.
Tensor without_leading_ones(const Tensor& x) {
  const auto first = std::find_if(x.sizes().begin(), x.sizes().end(), [](std::int64_t n) { return n != 1; });
  const auto ones = static_cast<std::size_t>(first - x.sizes().begin());
  return ones == 0 ? x : view(x, {x.sizes().data() + ones, x.sizes().size() - ones});
}

Tensor get(const Tensor& x, Indices indices) {
  const Indexing chosen("index", x, indices);
  if (!chosen.tensors().empty()) {
    return index(chosen.view(), chosen.tensors());
  }
  return chosen.view().is_same(x) ? alias(x) : chosen.view();
}

Tensor& put(const Tensor& x, Indices indices, const Tensor& values) {
  const Indexing chosen("index_put_", x, indices);
  if (chosen.tensors().empty()) {
    chosen.view().copy_(without_leading_ones(values));
  } else {
    chosen.view().index_put_(TensorList(chosen.tensors()), without_leading_ones(values));
  }
  return const_cast<Tensor&>(x);
}

Tensor& put(const Tensor& x, Indices indices, const Scalar& value) {
  const Indexing chosen("index_put_", x, indices);
  check_number("index_put_", value, x.scalar_type());
  if (chosen.tensors().empty()) {
    chosen.view().fill_(value);
  } else {
    chosen.view().index_put_(TensorList(chosen.tensors()), full({}, value, x.scalar_type()));
  }
  return const_cast<Tensor&>(x);
}

Indices span_of(const std::initializer_list<TensorIndex>& indices) { return {std::data(indices), indices.size()}; }

}  // namespace

Tensor Tensor::index(std::initializer_list<TensorIndex> indices) const { return get(*this, span_of(indices)); }
Tensor Tensor::index(const std::vector<TensorIndex>& indices) const { return get(*this, indices); }
Tensor& Tensor::index_put_(std::initializer_list<TensorIndex> indices, const Tensor& values) const {
  return put(*this, span_of(indices), values);
}
Tensor& Tensor::index_put_(const std::vector<TensorIndex>& indices, const Tensor& values) const {
  return put(*this, indices, values);
}
Tensor& Tensor::index_put_(std::initializer_list<TensorIndex> indices, const Scalar& value) const {
  return put(*this, span_of(indices), value);
}
Tensor& Tensor::index_put_(const std::vector<TensorIndex>& indices, const Scalar& value) const {
  return put(*this, indices, value);
}

}  // namespace backflow
