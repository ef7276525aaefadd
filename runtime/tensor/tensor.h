#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <backflow/runtime/memory/intrusive_ptr.h>
#include <backflow/runtime/tensor/device.h>
#include <backflow/runtime/tensor/dtype.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/tensor/optional_int_array.h>
#include <backflow/runtime/tensor/scalar.h>
#include <backflow/runtime/tensor/shape.h>
#include <backflow/runtime/tensor/tensor_accessor.h>
#include <backflow/runtime/tensor/tensor_impl.h>
#include <backflow/runtime/tensor/tensor_options.h>

namespace backflow {

class Node;
class Tensor;
namespace indexing {
class TensorIndex;
}

/// A read-only view of a list of tensors; owns nothing. Converts from a braced list, a vector, an array, a span and a
/// single tensor, as libtorch's.
class TensorList {
 public:
  constexpr TensorList() = default;
  constexpr TensorList(const Tensor* data, std::size_t size) : data_(data), size_(size) {}
  constexpr TensorList(const Tensor& one) : data_(&one), size_(1) {}  // NOLINT(google-explicit-constructor)
  constexpr TensorList(const std::initializer_list<Tensor>& list)     // NOLINT(google-explicit-constructor)
      : data_(std::data(list)), size_(list.size()) {}
  inline TensorList(const std::vector<Tensor>& list);  // NOLINT(google-explicit-constructor)
  template <std::size_t N>
  TensorList(const std::array<Tensor, N>& list) : TensorList(list.data(), N) {}  // NOLINT(google-explicit-constructor)
  inline TensorList(std::span<const Tensor> list);                               // NOLINT(google-explicit-constructor)

  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const Tensor* data() const { return data_; }
  constexpr const Tensor* begin() const { return data_; }
  inline const Tensor* end() const;
  inline const Tensor& operator[](std::size_t i) const;
  inline std::vector<Tensor> vec() const;

 private:
  const Tensor* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A list of tensors or none; owns nothing. `{}` and nullopt are none; an empty vector is a list. Not a std::optional,
/// which does not convert from a braced list.
class OptionalTensorList {
 public:
  constexpr OptionalTensorList() = default;
  constexpr OptionalTensorList(std::nullopt_t) {}  // NOLINT(google-explicit-constructor)
  constexpr OptionalTensorList(TensorList list) : OptionalTensorList(list.data(), list.size()) {}  // NOLINT
  constexpr OptionalTensorList(const Tensor& one) : OptionalTensorList(&one, 1) {}                 // NOLINT
  constexpr OptionalTensorList(const std::initializer_list<Tensor>& list)  // NOLINT(google-explicit-constructor)
      : OptionalTensorList(std::data(list), list.size()) {}
  inline OptionalTensorList(const std::vector<Tensor>& list);  // NOLINT(google-explicit-constructor)
  template <std::same_as<TensorList> List>
  OptionalTensorList(const std::optional<List>& list)  // NOLINT(google-explicit-constructor)
      : OptionalTensorList(list ? list->data() : nullptr, list ? list->size() : 0) {
    has_value_ = list.has_value();
  }

  constexpr bool has_value() const { return has_value_; }
  /// The list, or an empty one.
  inline TensorList value() const;

 private:
  constexpr OptionalTensorList(const Tensor* data, std::size_t size) : list_(data, size), has_value_(true) {}

  TensorList list_;
  bool has_value_ = false;
};

/// A multi-dimensional array, as libtorch's: a cheap handle on storage + shape + strides + dtype + autograd data.
/// Copies of a handle are the same tensor; a default-constructed handle is undefined.
///
///   auto x = tensor({1.0, 2.0}, requires_grad());   // a leaf: its gradient will be accumulated in x.grad()
///   auto y = (x * x).sum();                         // recorded: y.grad_fn() is the node SumBackward0
///   y.backward();                                   // x.grad() is now [2, 4]
///
/// Const methods may be called from several threads at once. Changing a tensor while another thread uses it is a race.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(IntrusivePtr<TensorImpl> impl) : impl_(std::move(impl)) {}
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  ~Tensor() = default;
  /// `x = y` makes x another handle on the tensor y. Assignment to a temporary writes into its elements, so `x[0] = y`
  /// and `x[1][2] = 3.0` change x.
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  Tensor& operator=(const Tensor& other) && { return copy_(other); }
  Tensor& operator=(Tensor&& other) && { return copy_(other); }  // NOLINT(*-noexcept-move*, *-rvalue-reference*)
  Tensor& operator=(const Scalar& value) && { return fill_(value); }

  // ---- geometry ----
  bool defined() const { return static_cast<bool>(impl_); }
  std::int64_t dim() const { return static_cast<std::int64_t>(impl().sizes.size()); }
  std::int64_t ndimension() const { return dim(); }
  IntArrayRef sizes() const { return impl().sizes; }
  IntArrayRef strides() const { return impl().strides; }
  /// Size of one dimension; negative ones count from the end.
  std::int64_t size(std::int64_t dim) const;
  std::int64_t stride(std::int64_t dim) const;
  std::int64_t numel() const { return impl().numel; }
  std::int64_t storage_offset() const { return impl().offset; }
  ScalarType scalar_type() const { return impl().dtype; }
  ScalarType dtype() const { return impl().dtype; }
  TensorOptions options() const { return TensorOptions(impl().dtype); }
  std::size_t element_size() const { return backflow::element_size(impl().dtype); }
  std::size_t itemsize() const { return element_size(); }
  std::size_t nbytes() const { return static_cast<std::size_t>(numel()) * element_size(); }
  bool is_floating_point() const { return backflow::is_floating_point(impl().dtype); }
  Device device() const { return {}; }
  bool is_cpu() const { return true; }
  bool is_cuda() const { return false; }
  bool is_contiguous() const { return impl().is_contiguous; }
  /// True for the same tensor, not for equal values.
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }
  /// True when both have elements in the same storage.
  bool is_alias_of(const Tensor& other) const { return impl().storage->shares_bytes(*other.impl().storage); }
  /// Makes this handle undefined.
  void reset() { impl_.reset(); }
  std::uint32_t use_count() const { return impl_ ? impl_->use_count() : 0; }

  // ---- elements ----
  /// The first element's address; T must be the C++ type of the dtype. Strides say where the others are. Elements may
  /// be changed through it at any time. So operators cache nothing derived from this storage, such as packed weights,
  /// from then on.
  template <class T>
  T* data_ptr() const {
    impl().storage->expose();
    return mutable_data_ptr<T>();
  }
  void* data_ptr() const {
    impl().storage->expose();
    return impl().data();
  }
  /// The same for reading only: packed weights stay cached.
  template <class T>
  const T* const_data_ptr() const {
    return mutable_data_ptr<T>();
  }
  const void* const_data_ptr() const { return impl().data(); }
  /// The same for a caller that changes elements only before the next operator runs, and then calls bump_version().
  /// Packed weights stay cached until that.
  template <class T>
  T* mutable_data_ptr() const {
    if (dtype_of<T> != scalar_type()) [[unlikely]] {
      fail_dtype(dtype_of<T>);
    }
    return reinterpret_cast<T*>(impl().data());
  }
  void* mutable_data_ptr() const { return impl().data(); }
  /// Reads and writes elements by their indices: `x.accessor<float, 2>()[i][j]`. Throws Error for another number of
  /// dimensions or dtype. Not available on a temporary, since the accessor refers to the tensor.
  template <class T, std::size_t N>
  TensorAccessor<T, N> accessor() const& {
    check(dim() == N, "accessor: asked for ", N, " dimensions of ", dim(), ": need the tensor's own number");
    return {data_ptr<T>(), impl().sizes.data(), impl().strides.data()};
  }
  template <class T, std::size_t N>
  TensorAccessor<T, N> accessor() && = delete;
  /// The value of a tensor with one element. Throws Error for any other number of elements, and for a value that a T
  /// can't represent.
  Scalar item() const;
  template <class T>
  T item() const {
    return item().to<T>("item");
  }

  // ---- autograd ----
  /// Whether operations on this tensor are recorded. Also true for a view, made with recording off, of a tensor that
  /// requires a gradient: see docs/autograd_in_place.md.
  bool requires_grad() const { return impl().needs_grad(); }
  /// Sets whether operations on this leaf are recorded. Only floating-point leaves can require a gradient.
  const Tensor& set_requires_grad(bool requires_grad) const;
  const Tensor& requires_grad_(bool requires_grad = true) const { return set_requires_grad(requires_grad); }
  /// True for a tensor that no recorded operation made.
  bool is_leaf() const { return !impl().history(); }
  /// The node that made this tensor; null for a leaf.
  const IntrusivePtr<Node>& grad_fn() const { return impl().history(); }
  std::uint32_t output_nr() const { return impl().output_nr; }
  /// The gradient accumulated by backward; undefined before the first, and for a non-leaf that does not retain it.
  const Tensor& grad() const;
  Tensor& mutable_grad() const;
  /// Lets backward set grad() of this non-leaf too; nothing changes for a leaf. Throws Error unless it requires one.
  void retain_grad() const;
  bool retains_grad() const;
  /// Calls `hook(grad)` in each backward, with the complete gradient with respect to this tensor's present value. A
  /// defined tensor that the hook returns replaces the gradient. Returns a number for remove_hook. Hooks of one
  /// backward never run at the same time, but they run on any of the engine's threads. The order of hooks of different
  /// tensors is any that the graph allows. Throws Error unless the tensor requires a gradient.
  template <class Hook>
  unsigned register_hook(Hook&& hook) const {
    if constexpr (std::is_void_v<std::invoke_result_t<Hook&, const Tensor&>>) {
      return add_hook([f = std::forward<Hook>(hook)](const Tensor& grad) mutable {
        f(grad);
        return Tensor();
      });
    } else {
      return add_hook(std::forward<Hook>(hook));
    }
  }
  void remove_hook(unsigned id) const;

  /// The same data off the tape: shares storage and version, requires no gradient.
  Tensor detach() const;
  /// Takes this tensor off the tape. Throws Error for a view, whose base would stay on it.
  const Tensor& detach_() const;
  /// The same data off the tape with another version counter, so that backward does not notice changes through it.
  Tensor data() const;
  Tensor variable_data() const { return data(); }
  /// Replaces the data by those of `other`. The tensor keeps its identity, its gradient and its version.
  void set_data(const Tensor& other) const;
  /// How often the elements have been changed in place. Throws Error for an inference tensor.
  std::uint32_t _version() const;
  bool is_view() const { return static_cast<bool>(impl().base); }
  /// The tensor that this is a view of. Throws Error when it is none.
  Tensor _base() const;
  bool is_inference() const { return impl().is_inference; }

  /// Gradients of this tensor with respect to the leaves it was computed from, added to their `grad()`.
  /// `gradient` is the derivative with respect to this tensor, of its shape and dtype; it may be left out for one
  /// element. Unless `retain_graph`, the graph is freed; with `create_graph` the gradients are recorded themselves.
  /// With `inputs`, only those receive a gradient, leaves or not. Throws Error for an empty list of them.
  void backward(const Tensor& gradient = {}, std::optional<bool> retain_graph = std::nullopt, bool create_graph = false,
                OptionalTensorList inputs = {}) const;

  // ---- operators, defined in ops ----
  /// As the functions of ops/elementwise/comparison.h.
  bool equal(const Tensor& other) const;
  bool allclose(const Tensor& other, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false) const;
  Tensor operator[](std::int64_t index) const { return select(0, index); }
  Tensor operator-() const { return neg(); }
  Tensor& operator+=(const Tensor& other) { return add_(other); }
  Tensor& operator+=(const Scalar& other) { return add_(other); }
  Tensor& operator-=(const Tensor& other) { return sub_(other); }
  Tensor& operator-=(const Scalar& other) { return sub_(other); }
  Tensor& operator*=(const Tensor& other) { return mul_(other); }
  Tensor& operator*=(const Scalar& other) { return mul_(other); }
  Tensor& operator/=(const Tensor& other) { return div_(other); }
  Tensor& operator/=(const Scalar& other) { return div_(other); }
  /// This tensor with the dtype of the options when they name one; with `copy` always a new one. Every device is the
  /// CPU.
  Tensor to(const TensorOptions& options, bool non_blocking = false, bool copy = false) const;
  Tensor to(Device device, ScalarType dtype, bool non_blocking = false, bool copy = false) const;
  /// With the dtype of `other`.
  Tensor to(const Tensor& other, bool non_blocking = false, bool copy = false) const;
  Tensor toType(ScalarType dtype) const { return to(dtype); }
  Tensor type_as(const Tensor& other) const { return to(other.scalar_type()); }
  Tensor cpu() const { return *this; }
  /// As the functions of ops/creation/creation.h, with this tensor's dtype unless the options name one.
  Tensor new_empty(IntArrayRef size, TensorOptions options = {}) const;
  Tensor new_full(IntArrayRef size, const Scalar& fill_value, TensorOptions options = {}) const;
  Tensor new_zeros(IntArrayRef size, TensorOptions options = {}) const { return new_full(size, 0, options); }
  Tensor new_ones(IntArrayRef size, TensorOptions options = {}) const { return new_full(size, 1, options); }
  /// As with a list of one dimension. Without this overload `x.var(1)` would be ambiguous: 1 may be a dimension or a
  /// flag.
  Tensor var(int dim) const { return var(IntArrayRef(std::int64_t{dim})); }
  Tensor std(int dim) const { return std(IntArrayRef(std::int64_t{dim})); }
  /// As the functions of ops/creation/random.h.
  Tensor& uniform_(double from = 0, double to = 1) const;
  Tensor& uniform_(double from, double to, const std::optional<Generator>& generator) const;
  Tensor& normal_(double mean = 0, double std = 1) const;
  Tensor& normal_(double mean, double std, const std::optional<Generator>& generator) const;
  /// Elements by a list of indices as in Python: see ops/indexing/tensor_index.h.
  Tensor index(std::initializer_list<indexing::TensorIndex> indices) const;
  Tensor index(const std::vector<indexing::TensorIndex>& indices) const;
  Tensor& index_put_(std::initializer_list<indexing::TensorIndex> indices, const Tensor& values) const;
  Tensor& index_put_(const std::vector<indexing::TensorIndex>& indices, const Tensor& values) const;
  Tensor& index_put_(std::initializer_list<indexing::TensorIndex> indices, const Scalar& value) const;
  Tensor& index_put_(const std::vector<indexing::TensorIndex>& indices, const Scalar& value) const;
#include <backflow/runtime/tensor/tensor_methods.inc>

  /// The object behind the handle; the handle must be defined.
  TensorImpl& impl() const {
    if (!impl_) [[unlikely]] {
      fail_undefined();
    }
    return *impl_;
  }
  const IntrusivePtr<TensorImpl>& impl_ptr() const { return impl_; }

 private:
  [[noreturn]] static void fail_undefined();
  [[noreturn]] void fail_dtype(ScalarType asked) const;
  unsigned add_hook(std::function<Tensor(const Tensor&)> hook) const;

  IntrusivePtr<TensorImpl> impl_;
};

inline TensorList::TensorList(const std::vector<Tensor>& list) : data_(list.data()), size_(list.size()) {}
inline TensorList::TensorList(std::span<const Tensor> list) : data_(list.data()), size_(list.size()) {}
inline OptionalTensorList::OptionalTensorList(const std::vector<Tensor>& list)
    : OptionalTensorList(list.data(), list.size()) {}
inline TensorList OptionalTensorList::value() const { return list_; }
inline const Tensor* TensorList::end() const { return data_ + size_; }
inline const Tensor& TensorList::operator[](std::size_t i) const { return data_[i]; }
inline std::vector<Tensor> TensorList::vec() const { return {begin(), end()}; }

/// A row-major tensor with uninitialized elements, off the tape.
Tensor empty_tensor(IntArrayRef sizes, ScalarType dtype);

/// The same with the sizes of `x`, which costs less when that is row-major.
Tensor empty_tensor_like(const Tensor& x, ScalarType dtype);

/// A view of the storage of `x`, off the tape. Strides and offset count elements and must stay inside the storage.
Tensor view_of(const Tensor& x, IntArrayRef sizes, IntArrayRef strides, std::int64_t offset);

/// Dtype and shape of a tensor for messages: prints "f32[32, 784]", or "undefined". Makes no text until it is printed.
/// It refers to the tensor, so it must not outlive it.
class Description {
 public:
  explicit Description(const Tensor& x) : x_(x) {}
  friend std::ostream& operator<<(std::ostream& out, const Description& description);

 private:
  const Tensor& x_;
};
inline Description describe(const Tensor& x) { return Description(x); }

/// Prints in PyTorch's Python form, as "tensor([[6., 6.], [6., 6.]], grad_fn=<AddBackward0>)".
std::ostream& operator<<(std::ostream& out, const Tensor& x);

}  // namespace backflow
