// The same elements in another order of dimensions.
#include <algorithm>

#include <backflow/ops/operator.h>
#include <backflow/ops/views/view_cost_internal.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

struct Transpose : detail::CostOfView {
  static constexpr OperatorInfo info = {
      .signature = "transpose(Tensor self, int dim0, int dim1) -> Tensor",
      .formula = "y = x with two dimensions exchanged;  dx = dy with the same two exchanged",
      .doc = "A view.",
      .dtypes = kAnyDtype,
      .node = "TransposeBackward0",
  };
  std::int64_t first;
  std::int64_t second;
  static Tensor forward(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
    const std::size_t a = wrap_dim("transpose", dim0, x.sizes().size());
    const std::size_t b = wrap_dim("transpose", dim1, x.sizes().size());
    DimVector sizes(x.sizes());
    DimVector strides(x.strides());
    if (x.dim() > 0) {
      std::swap(sizes[a], sizes[b]);
      std::swap(strides[a], strides[b]);
    }
    return view_of(x, sizes, strides, x.storage_offset());
  }
  void save(Needs, const Tensor&, std::int64_t dim0, std::int64_t dim1, const Tensor&) {
    first = dim0;
    second = dim1;
  }
  void backward(Backward& b) const { b.dx(0) = transpose(b.dy(), first, second); }
};

struct T : detail::CostOfView {
  static constexpr OperatorInfo info = {
      .signature = "t(Tensor self) -> Tensor",
      .formula = "y = x^T;  dx = dy^T",
      .doc = "Transpose of a matrix, as a view; fewer dimensions are left as they are.",
      .dtypes = kAnyDtype,
      .node = "TBackward0",
  };
  static Tensor forward(const Tensor& x) {
    check(x.dim() <= 2, "t: ", describe(x), ": need at most 2 dimensions; transpose() takes more");
    return x.dim() < 2 ? view_of(x, x.sizes(), x.strides(), x.storage_offset()) : Transpose::forward(x, 0, 1);
  }
  void save(Needs, const Tensor&, const Tensor&) {}
  void backward(Backward& b) const { b.dx(0) = t(b.dy()); }
};

struct Permute : detail::CostOfView {
  static constexpr OperatorInfo info = {
      .signature = "permute(Tensor self, int[] dims) -> Tensor",
      .formula = "y = x with dimension dims[d] as its d-th;  dx = dy with the dimensions back in their places",
      .doc = "A view. Each dimension is listed once; negative ones count from the end.",
      .dtypes = kAnyDtype,
      .node = "PermuteBackward0",
  };
  DimVector inverse;
  static Tensor forward(const Tensor& x, IntArrayRef dims) {
    check(dims.size() == x.sizes().size(), "permute: dimensions ", dims, " of ", describe(x),
          ": need each of them once");
    DimVector sizes;
    DimVector strides;
    DimVector listed(dims.size(), 0);
    for (const std::int64_t dim : dims) {
      const std::size_t d = wrap_dim("permute", dim, dims.size());
      check(listed[d]++ == 0, "permute: dimensions ", dims, " of ", describe(x), ": need each of them once");
      sizes.push_back(x.sizes()[d]);
      strides.push_back(x.strides()[d]);
    }
    return view_of(x, sizes, strides, x.storage_offset());
  }
  void save(Needs, const Tensor&, IntArrayRef dims, const Tensor&) {
    inverse.resize(dims.size());
    for (std::size_t d = 0; d < dims.size(); ++d) {
      inverse[wrap_dim("permute", dims[d], dims.size())] = static_cast<std::int64_t>(d);
    }
  }
  void backward(Backward& b) const { b.dx(0) = permute(b.dy(), inverse); }
};

struct Movedim {
  static constexpr OperatorInfo info = {
      .signature = "movedim(Tensor self, int[] source, int[] destination) -> Tensor",
      .formula = "y = x with dimension source[i] as its destination[i]-th",
      .doc = "A view; the other dimensions keep their order. As many destinations as sources, each listed once.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, IntArrayRef source, IntArrayRef destination) {
    check(source.size() == destination.size(), "movedim: dimensions ", source, " of ", describe(x), " to ", destination,
          ": need as many of both");
    const std::size_t rank = x.sizes().size();
    DimVector dims(rank, -1);
    DimVector moved(rank, 0);
    for (std::size_t i = 0; i < source.size(); ++i) {
      const std::size_t from = wrap_dim("movedim", source[i], rank);
      const std::size_t to = wrap_dim("movedim", destination[i], rank);
      if (rank == 0) {
        continue;
      }
      check(moved[from] == 0 && dims[to] == -1, "movedim: dimensions ", source, " of ", describe(x), " to ",
            destination, ": need each of them once");
      moved[from] = 1;
      dims[to] = static_cast<std::int64_t>(from);
    }
    std::size_t next = 0;
    for (std::int64_t& d : dims) {
      if (d == -1) {
        while (moved[next] != 0) {
          ++next;
        }
        d = static_cast<std::int64_t>(next++);
      }
    }
    return permute(x, dims);
  }
};

struct Swapaxes {
  static constexpr OperatorInfo info = {
      .signature = "swapaxes(Tensor self, int axis0, int axis1) -> Tensor",
      .formula = "y = x with two dimensions exchanged",
      .doc = "transpose.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, std::int64_t axis0, std::int64_t axis1) { return transpose(x, axis0, axis1); }
};

}  // namespace

#include <backflow/ops/permutations_functions.inc>

OperatorFamily permutations_operators() { return family<Transpose, T, Permute, Movedim, Swapaxes>("permutations"); }

}  // namespace backflow
