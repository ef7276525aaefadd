// Views with strides of the caller's choice, and what leads through them in both directions: gradients, and new values
// for the elements that a view shows.
#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/views/view_cost_internal.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

/// Where the elements of a tensor lie, in elements from some origin.
struct Geometry {
  DimVector sizes;
  DimVector strides;
  std::int64_t offset = 0;

  std::int64_t numel() const { return numel_of(sizes); }
  /// One past the last element; `offset` when there is none.
  std::int64_t end(const char* where) const {
    std::int64_t last = offset;
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      std::int64_t length = 0;
      check(!__builtin_mul_overflow(sizes[d] - 1, strides[d], &length) && !__builtin_add_overflow(last, length, &last),
            where, ": sizes ", sizes, " with strides ", strides, ": need elements less than 2^63 apart");
    }
    return numel() == 0 ? offset : last + 1;
  }
};

Geometry make_geometry(const char* where, IntArrayRef sizes, IntArrayRef strides, std::int64_t offset = 0) {
  check(sizes.size() == strides.size(), where, ": sizes ", sizes, ", strides ", strides,
        ": need one stride for each size");
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    check(sizes[d] >= 0 && strides[d] >= 0, where, ": sizes ", sizes, ", strides ", strides,
          ": need numbers of 0 or more");
  }
  return {sizes, strides, offset};
}

/// Calls f(offset) for every element in row-major order.
template <class F>
void for_each_element(const Geometry& g, const F& f) {
  DimVector index(g.sizes.size(), 0);
  std::int64_t at = g.offset;
  for (std::int64_t left = g.numel(); left > 0; --left) {
    f(at);
    for (std::size_t d = index.size(); d-- > 0;) {
      at += g.strides[d];
      if (++index[d] < g.sizes[d]) {
        break;
      }
      at -= g.strides[d] * g.sizes[d];
      index[d] = 0;
    }
  }
}

/// True when no two elements share memory for sure: each stride leads past all that the smaller ones reach.
bool is_surely_injective(const Geometry& g) {
  std::vector<std::pair<std::int64_t, std::int64_t>> steps;
  for (std::size_t d = 0; d < g.sizes.size(); ++d) {
    if (g.sizes[d] == 0) {
      return true;
    }
    if (g.sizes[d] > 1) {
      steps.emplace_back(g.strides[d], g.sizes[d]);
    }
  }
  std::sort(steps.begin(), steps.end());
  std::int64_t reach = 0;
  for (const auto& [stride, size] : steps) {
    if (stride <= reach) {
      return false;
    }
    reach += stride * (size - 1);
  }
  return true;
}

/// Memory that two geometries are laid out in: from the first element of either to the last.
class Field {
 public:
  Field(const char* where, const Geometry& a, const Geometry& b) {
    std::int64_t end = 0;
    for (const Geometry* g : {&a, &b}) {
      if (g->numel() > 0) {
        begin_ = std::min(begin_, g->offset);
        end = std::max(end, g->end(where));
      }
    }
    numel_ = end - begin_;
  }

  std::int64_t numel() const { return numel_; }
  Tensor zeros(ScalarType dtype) const {
    Tensor memory = empty_tensor(numel_, dtype);
    kernels::fill(memory, 0);
    return memory;
  }
  /// The elements of `memory`, one of this field's, at this geometry.
  Tensor at(const Tensor& memory, const Geometry& g) const {
    return g.numel() == 0 ? empty_tensor(g.sizes, memory.scalar_type())
                          : view_of(memory, g.sizes, g.strides, memory.storage_offset() + g.offset - begin_);
  }
  /// Adds the elements of `x` to those of `memory` at this geometry, as often as it shows them.
  void add(const Tensor& memory, const Geometry& g, const Tensor& x) const {
    if (is_surely_injective(g)) {
      kernels::copy(at(memory, g), x);  // there are zeros so far
      return;
    }
    const Tensor row_major = contiguous(x);
    dispatch(memory.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      const T* from = row_major.const_data_ptr<T>();
      T* to = memory.mutable_data_ptr<T>() - begin_;
      for_each_element(g, [&](std::int64_t offset) { to[offset] = static_cast<T>(to[offset] + *from++); });
    });
  }
  /// Divides the elements of `memory` by how often this geometry shows them, where that is more than once.
  void average(const Tensor& memory, const Geometry& g) const {
    if (is_surely_injective(g)) {
      return;
    }
    std::vector<std::int64_t> count(static_cast<std::size_t>(numel_));
    for_each_element(g, [&](std::int64_t offset) { ++count[static_cast<std::size_t>(offset - begin_)]; });
    dispatch(memory.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      using Wide = std::common_type_t<ComputeType<T>, std::int64_t>;  // a byte could not hold the count
      T* values = memory.mutable_data_ptr<T>();
      for (std::size_t i = 0; i < count.size(); ++i) {
        const bool divides = count[i] > 1 && !std::is_same_v<T, bool>;  // truth values have been joined by `or`
        values[i] = divides ? static_cast<T>(values[i] / static_cast<Wide>(count[i])) : values[i];
      }
    });
  }

 private:
  std::int64_t begin_ = 0;
  std::int64_t numel_ = 0;
};

/// True when no two elements share memory.
bool is_injective(const char* where, const Geometry& g) {
  if (is_surely_injective(g)) {
    return true;
  }
  const Geometry at_zero = {g.sizes, g.strides, 0};
  std::vector<bool> shown(static_cast<std::size_t>(at_zero.end(where)));
  bool result = true;
  for_each_element(at_zero, [&](std::int64_t offset) {
    result = result && !shown[static_cast<std::size_t>(offset)];
    shown[static_cast<std::size_t>(offset)] = true;
  });
  return result;
}

/// The elements of `x` laid out in the field, and zeros around them; x itself, seen as memory, where it lies so.
Tensor lay_out(const Field& field, const Tensor& x, const Geometry& g) {
  const bool fills = is_surely_injective(g) && g.numel() == field.numel();
  if (fills && g.strides == DimVector(x.strides())) {
    return view_of(x, field.numel(), 1, x.storage_offset());
  }
  Tensor memory = fills ? empty_tensor(field.numel(), x.scalar_type()) : field.zeros(x.scalar_type());
  field.add(memory, g, x);
  field.average(memory, g);
  return memory;
}

Tensor row_major_copy(const Tensor& x) {
  Tensor y = empty_tensor_like(x, x.scalar_type());
  kernels::copy(y, x);
  return y;
}

struct AsStrided : detail::CostOfPart {
  static constexpr OperatorInfo info = {
      .signature = "as_strided(Tensor self, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
      .formula = "y[i] = storage[offset + sum(i stride)];  dx = the sum of dy over the elements of y that are x's",
      .doc =
          "A view of the storage of x with these sizes and strides, which must stay inside of it. The offset counts "
          "from the start of the storage; by default it is that of x. Elements outside of x get no gradient.",
      .dtypes = kAnyDtype,
      .node = "AsStridedBackward0",
  };
  Geometry x;
  DimVector strides;
  std::int64_t offset;
  static Tensor forward(const Tensor& x, IntArrayRef size, IntArrayRef stride,
                        std::optional<std::int64_t> storage_offset) {
    const Geometry g = make_geometry("as_strided", size, stride, storage_offset.value_or(x.storage_offset()));
    const auto capacity = static_cast<std::int64_t>(x.impl().storage->bytes() / x.element_size());
    check(g.offset >= 0 && (g.numel() == 0 || g.end("as_strided") <= capacity), "as_strided: sizes ", size,
          ", strides ", stride, ", offset ", g.offset, " of ", describe(x),
          ": need elements inside the storage, which "
          "has ",
          capacity);
    return view_of(x, size, stride, g.offset);
  }
  void save(Needs, const Tensor& x_, IntArrayRef, IntArrayRef stride, std::optional<std::int64_t>, const Tensor& y) {
    x = {x_.sizes(), x_.strides()};
    strides = stride;
    offset = y.storage_offset() - x_.storage_offset();
  }
  void backward(Backward& b) const { b.dx(0) = as_strided_backward(b.dy(), x.sizes, x.strides, strides, offset); }
};

struct AsStridedGradient {
  static constexpr OperatorInfo info = {
      .signature =
          "as_strided_backward(Tensor grad, int[] input_sizes, int[] input_strides, int[] stride, "
          "int storage_offset) -> Tensor",
      .formula =
          "dx = the sum of dy over the elements that a view shows of x;  its own gradient is "
          "strided_gather(g)",
      .doc =
          "The gradient of as_strided for an operand of this geometry. The view has the sizes of dy, and its offset "
          "counts from the operand's first element. Elements outside of the view get 0; elements of the operand that "
          "share memory get equal parts.",
      .dtypes = kAnyDtype,
      .node = "AsStridedBackwardBackward0",
  };
  DimVector input_strides;
  DimVector sizes;
  DimVector strides;
  std::int64_t offset;
  static Tensor forward(const Tensor& dy, IntArrayRef input_sizes, IntArrayRef input_strides, IntArrayRef stride,
                        std::int64_t storage_offset) {
    const char* where = "as_strided_backward";
    const Geometry x = make_geometry(where, input_sizes, input_strides);
    const Geometry y = make_geometry(where, dy.sizes(), stride, storage_offset);
    const Field field(where, x, y);
    const Tensor memory = field.zeros(dy.scalar_type());
    field.add(memory, y, dy);
    field.average(memory, x);
    Tensor dx = field.at(memory, x);
    return field.numel() == dx.numel() ? dx : row_major_copy(dx);
  }
  void save(Needs, const Tensor& dy, IntArrayRef, IntArrayRef input_strides_, IntArrayRef stride,
            std::int64_t storage_offset, const Tensor&) {
    input_strides = input_strides_;
    sizes = dy.sizes();
    strides = stride;
    offset = storage_offset;
  }
  void backward(Backward& b) const { b.dx(0) = strided_gather(b.dy(), input_strides, sizes, strides, offset); }
};

struct StridedGather {
  static constexpr OperatorInfo info = {
      .signature =
          "strided_gather(Tensor input, int[] input_strides, int[] size, int[] stride, int storage_offset) "
          "-> Tensor",
      .formula = "y = as_strided of x laid out with input_strides;  dx = as_strided_backward(dy)",
      .doc =
          "A copy of the elements of a view of x, as if x had the strides input_strides. The view's offset counts from "
          "the first element of x; elements outside of x are 0. Elements that would share memory are averaged, so that "
          "this is the transpose of as_strided_backward.",
      .dtypes = kAnyDtype,
      .node = "StridedGatherBackward0",
  };
  Geometry x;
  DimVector strides;
  std::int64_t offset;
  static Tensor forward(const Tensor& x, IntArrayRef input_strides, IntArrayRef size, IntArrayRef stride,
                        std::int64_t storage_offset) {
    const char* where = "strided_gather";
    const Geometry from = make_geometry(where, x.sizes(), input_strides);
    const Geometry shown = make_geometry(where, size, stride, storage_offset);
    const Field field(where, from, shown);
    return row_major_copy(field.at(lay_out(field, x, from), shown));
  }
  void save(Needs, const Tensor& x_, IntArrayRef input_strides, IntArrayRef, IntArrayRef stride,
            std::int64_t storage_offset, const Tensor&) {
    x = {x_.sizes(), input_strides};
    strides = stride;
    offset = storage_offset;
  }
  void backward(Backward& b) const { b.dx(0) = as_strided_backward(b.dy(), x.sizes, x.strides, strides, offset); }
};

struct StridedScatter {
  static constexpr OperatorInfo info = {
      .signature =
          "strided_scatter(Tensor input, Tensor src, int[] input_strides, int[] stride, int storage_offset) "
          "-> Tensor",
      .formula = "y = x with w where a view shows it;  dx = dy with 0 there, dw = strided_gather(dy)",
      .doc =
          "A copy of x with src written to the elements of a view, as if x had the given strides. The view has the "
          "sizes of src; its offset counts from the first element of x. An Error when dtypes differ, or elements of x "
          "or of the view would share memory.",
      .dtypes = kAnyDtype,
      .node = "StridedScatterBackward0",
  };
  DimVector input_strides;
  DimVector sizes;
  DimVector strides;
  std::int64_t offset;
  static Tensor forward(const Tensor& x, const Tensor& w, IntArrayRef input_strides, IntArrayRef stride,
                        std::int64_t storage_offset) {
    const char* where = "strided_scatter";
    const Geometry to = make_geometry(where, x.sizes(), input_strides);
    const Geometry shown = make_geometry(where, w.sizes(), stride, storage_offset);
    check(x.scalar_type() == w.scalar_type(), where, ": ", describe(x), " and ", describe(w), ": need equal dtypes");
    for (const Geometry& g : {to, shown}) {
      check(is_injective(where, g), where, ": sizes ", g.sizes, " with strides ", g.strides,
            ": need elements that share no memory");
    }
    const Field field(where, to, shown);
    const bool fills = to.numel() == field.numel();
    const Tensor memory = fills ? empty_tensor(field.numel(), x.scalar_type()) : field.zeros(x.scalar_type());
    Tensor y = field.at(memory, to);
    kernels::copy(y, x);
    kernels::copy(field.at(memory, shown), w);
    return fills ? y : row_major_copy(y);
  }
  void save(Needs, const Tensor&, const Tensor& w, IntArrayRef input_strides_, IntArrayRef stride,
            std::int64_t storage_offset, const Tensor&) {
    input_strides = input_strides_;
    sizes = w.sizes();
    strides = stride;
    offset = storage_offset;
  }
  void backward(Backward& b) const {
    b.set_dx(
        0, [&] { return strided_scatter(b.dy(), zeros(sizes, b.dy().scalar_type()), input_strides, strides, offset); });
    b.set_dx(1, [&] { return strided_gather(b.dy(), input_strides, sizes, strides, offset); });
  }
};

}  // namespace

#include <backflow/ops/strided_functions.inc>

OperatorFamily strided_operators() {
  return family<AsStrided, AsStridedGradient, StridedGather, StridedScatter>("strided");
}

}  // namespace backflow
