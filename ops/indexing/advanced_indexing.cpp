// Elements that tensors of indices and masks choose along several dimensions at once.
#include <algorithm>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/indexing/indices_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Combine;

/// The indices of one dimension.
struct DimIndex {
  std::size_t dim;
  Tensor index;  ///< int64
};

/// The indices of each dimension that has some: a mask is those of its true elements.
std::vector<DimIndex> dim_indices(const char* where, const Tensor& x, TensorList indices) {
  std::vector<DimIndex> result;
  std::size_t d = 0;
  for (const Tensor& index : indices) {
    const bool is_mask = index.defined() && (index.scalar_type() == kBool || index.scalar_type() == kUInt8);
    const std::size_t dims = is_mask ? index.sizes().size() : 1;
    check(d + dims <= x.sizes().size(), where, ": more indices than dimensions of ", describe(x),
          ": need at most one for each");
    if (is_mask) {
      for (std::size_t k = 0; k < dims; ++k) {
        check(index.sizes()[k] == x.sizes()[d + k], where, ": mask ", describe(index), " from dimension ", d, " of ",
              describe(x), ": need the tensor's sizes");
      }
      const Tensor places = nonzero(index.detach());
      for (std::size_t k = 0; k < dims; ++k) {
        result.push_back({d + k, select(places, 1, static_cast<std::int64_t>(k))});
      }
    } else if (index.defined()) {
      result.push_back({d, as_int64(where, index.detach())});
    }
    d += dims;
  }
  check(!result.empty(), where, ": no index tensors: need at least one");
  return result;
}

/// What indices choose from a tensor: along one dimension instead of those that are indexed, and with an index instead
/// of several, which counts elements.
class Choice {
 public:
  Choice(const char* where, const Tensor& x, TensorList indices) : where_(where) {
    const std::vector<DimIndex> indexed = dim_indices(where, x, indices);
    for (const DimIndex& i : indexed) {
      shape_ = broadcast_shapes(where, shape_, i.index.sizes());
    }
    offsets_ = zeros(shape_, kInt64);
    DimVector is_indexed(x.sizes().size(), 0);
    for (const DimIndex& i : indexed) {
      add_offsets(x, i);
      is_indexed[i.dim] = 1;
    }
    // Neighbouring dimensions are replaced where they are, others by the first ones of the result.
    const bool adjacent = indexed.back().dim - indexed.front().dim + 1 == indexed.size();
    place_ = adjacent ? indexed.front().dim : 0;
    for (std::size_t d = 0; d < is_indexed.size(); ++d) {
      if (is_indexed[d] == 0) {
        sizes_.push_back(x.sizes()[d]);
        strides_.push_back(x.strides()[d]);
      }
    }
  }

  /// The shape of what is chosen.
  DimVector sizes() const {
    DimVector result(sizes_);
    for (std::size_t d = 0; d < shape_.size(); ++d) {
      result.insert(place_ + d, shape_[d]);
    }
    return result;
  }
  kernels::Lines lines(const Tensor& x) const {
    DimVector strides(strides_);
    strides.insert(place_, 0);
    return {where_, view_of(x, flat_sizes(), strides, x.storage_offset()), place_, 1, end_};
  }
  Tensor index() const {
    DimVector strides(sizes_.size() + 1, 0);
    strides[place_] = 1;
    return view_of(offsets_, flat_sizes(), strides, 0);
  }
  /// A tensor of the chosen shape with its indexed dimensions made one; a copy where strides do not allow it.
  Tensor flat(const Tensor& x) const {
    if (shape_.size() == 1) {
      return x;
    }
    const Tensor row_major = x.is_contiguous() ? x : row_major_copy(x);
    const DimVector sizes = flat_sizes();
    return view_of(row_major, sizes, contiguous_strides(sizes), row_major.storage_offset());
  }

 private:
  DimVector flat_sizes() const {
    DimVector result(sizes_);
    result.insert(place_, offsets_.numel());
    return result;
  }
  void add_offsets(const Tensor& x, const DimIndex& i) {
    const std::int64_t size = x.sizes()[i.dim];
    const std::int64_t stride = x.strides()[i.dim];
    end_ += std::max<std::int64_t>(size - 1, 0) * stride;
    const Tensor index = i.index.sizes() == IntArrayRef(shape_) && i.index.is_contiguous()
                             ? i.index
                             : row_major_copy(expand(i.index, shape_));
    const std::int64_t* from = index.const_data_ptr<std::int64_t>();
    std::int64_t* to = offsets_.mutable_data_ptr<std::int64_t>();
    for (std::int64_t k = 0; k < offsets_.numel(); ++k) {
      if (from[k] < -size || from[k] >= size) [[unlikely]] {
        fail(where_, ": index ", from[k], " in dimension ", i.dim, " of ", describe(x), ": need one in [", -size, ", ",
             size - 1, "]");
      }
      to[k] += (from[k] < 0 ? from[k] + size : from[k]) * stride;
    }
  }

  const char* where_;
  DimVector shape_;  // of the indices, broadcast
  Tensor offsets_;
  std::int64_t end_ = 1;  // what they are below
  std::size_t place_;     // of the first of their dimensions in the result
  DimVector sizes_;       // of the other dimensions
  DimVector strides_;
};

/// The index tensors that a node has saved.
struct SavedIndices {
  std::vector<SavedTensor> tensors;

  void save(TensorList indices) {
    tensors.resize(indices.size());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i].defined()) {
        tensors[i].save(indices[i]);
      }
    }
  }
  std::vector<Tensor> unpack(const Backward& b) const {
    std::vector<Tensor> result(tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].defined()) {
        result[i] = b(tensors[i]);
      }
    }
    return result;
  }
};

struct Index {
  static constexpr OperatorInfo info = {
      .signature = "index(Tensor self, Tensor[] indices) -> Tensor",
      .formula = "y = x[indices];  dx = zeros with dy added at the indices",
      .doc =
          "Advanced indexing, as x[rows, columns] in Python. One index tensor for each of the first dimensions; an "
          "undefined one keeps its dimension. Indices of int64 or int32 broadcast together; negative ones count from "
          "the end. A bool or uint8 mask indexes as many dimensions as it has, and has their sizes. As in PyTorch, the "
          "dimensions of the indices replace adjacent indexed dimensions, and come first otherwise. An Error for "
          "indices out of range.",
      .dtypes = kAnyDtype,
      .node = "IndexBackward0",
  };
  SavedIndices indices;
  DimVector sizes;
  static Tensor forward(const Tensor& x, TensorList indices) {
    const Choice choice("index", x, indices);
    Tensor y = empty_tensor(choice.sizes(), x.scalar_type());
    kernels::gather(choice.flat(y), choice.lines(x), choice.index());
    return y;
  }
  void save(Needs, const Tensor& x, TensorList indices_, const Tensor&) {
    indices.save(indices_);
    sizes = x.sizes();
  }
  void backward(Backward& b) const {
    b.dx(0) = zeros(sizes, b.dy().scalar_type()).index_put_(TensorList(indices.unpack(b)), b.dy(), true);
  }
};

struct IndexPut {
  static constexpr OperatorInfo info = {
      .signature = "index_put(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
      .formula = "y = x with y[indices] = w, or += w;  dx = dy, with 0 there unless w is added, dw = dy[indices]",
      .doc =
          "A copy of x whose elements at the indices are replaced by values, which broadcast and have the dtype of x; "
          "indices as for `index`. Of duplicate indices the last value is kept. With accumulate, values are added, in "
          "the order of the indices: the same bits on any number of threads.",
      .dtypes = kAnyDtype,
      .node = "IndexPutBackward0",
      .inplace = "index_put_(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
  };
  SavedIndices indices;
  DimVector value_sizes;
  bool accumulate_;
  static Tensor forward(const Tensor& x, TensorList indices, const Tensor& values, bool accumulate) {
    Tensor y = row_major_copy(x);
    put("index_put", y, indices, values, accumulate);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor&, TensorList indices, const Tensor& values, bool accumulate) {
    bool alias = y.is_alias_of(values);
    for (const Tensor& index : indices) {
      alias = alias || (index.defined() && y.is_alias_of(index));
    }
    if (!alias) {
      put("index_put_", y, indices, values, accumulate);
    }
    return !alias;
  }
  void save(Needs, const Tensor&, TensorList indices_, const Tensor& values, bool accumulate, const Tensor&) {
    indices.save(indices_);
    value_sizes = values.sizes();
    accumulate_ = accumulate;
  }
  void backward(Backward& b) const {
    const std::vector<Tensor> chosen = indices.unpack(b);
    b.set_dx(0,
             [&] { return accumulate_ ? b.dy() : index_put(b.dy(), chosen, zeros({}, b.dy().scalar_type()), false); });
    if (b.wants(chosen.size() + 1)) {
      const Tensor dw = index(b.dy(), chosen);
      b.dx(chosen.size() + 1) = dw.sizes() == IntArrayRef(value_sizes) ? dw : sum_to_size(dw, value_sizes);
    }
  }

 private:
  static void put(const char* where, const Tensor& y, TensorList indices, const Tensor& values, bool accumulate) {
    check(values.scalar_type() == y.scalar_type(), where, ": values ", describe(values), ", tensor ", describe(y),
          ": need equal dtypes");
    if (accumulate && y.scalar_type() == kBFloat16) {  // sums are rounded once
      const Tensor sum = empty_tensor_like(y, kFloat32);
      kernels::copy(sum, y);
      put(where, sum, indices, Cast(values, kFloat32), accumulate);
      kernels::copy(y, sum);
      return;
    }
    const Choice choice(where, y, indices);
    const DimVector sizes = choice.sizes();
    check(is_expandable_to(values.sizes(), sizes), where, ": values ", describe(values), ", indexed shape ", sizes,
          ": need values that broadcast to it");
    const Tensor from = choice.flat(expand(values.detach(), sizes));
    kernels::scatter(choice.lines(y), choice.index(), from, accumulate ? Combine::Add : Combine::Replace);
  }
};

}  // namespace

#include <backflow/ops/advanced_indexing_functions.inc>

OperatorFamily advanced_indexing_operators() { return family<Index, IndexPut>("advanced_indexing"); }

}  // namespace backflow
