#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::test {

/// Sizes, or the index of an element: one number per dimension.
using Index = std::vector<std::int64_t>;

/// A dense row-major array of float64: what the naive references compute with. Knows no kernel.
struct Array {
  Index sizes;
  std::vector<double> data;

  /// The element at this index.
  double at(const Index& index) const;
  double& at(const Index& index);
};

/// Zeros.
Array array_of(Index sizes);
/// Calls f(index) for every index of these sizes, the last dimension fastest.
void for_each_index(const Index& sizes, const std::function<void(const Index&)>& f);
/// x with its dimensions in this order.
Array permuted(const Array& x, const Index& dims);
/// f of every element.
Array map(const Array& x, const std::function<double(double)>& f);
/// f of the elements of two arrays under the broadcasting rule.
Array map(const Array& x, const Array& w, const std::function<double(double, double)>& f);

/// How a tensor lies in memory. All but Contiguous are neither row-major nor at the start of their storage, or not
/// dense.
enum class Layout {
  Contiguous,
  Transposed,  ///< the first dimension is the fastest
  Strided,     ///< every second element of a larger storage, from the second on
  Expanded,    ///< the first dimension has stride 0: its slices are equal
};
const char* name(Layout layout);

/// A tensor of these values. Of an expanded one, the first slice counts.
Tensor tensor_of(const Array& values, ScalarType dtype, Layout layout = Layout::Contiguous);
/// The elements of a tensor of any dtype and strides.
Array array_of(const Tensor& x);

/// The largest |a - b| / max(1, |b|); infinite where one is NaN and the other is not, or infinities differ.
double distance(const Array& a, const Array& b);
/// True when shape, dtype and every bit of every element are equal, or both are undefined.
bool bitwise_equal(const Tensor& a, const Tensor& b);
bool bitwise_equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b);

/// Pseudo-random numbers in [low, high), the same for the same `key` everywhere, none of them within 0.1 of zero:
/// there, some functions have a kink and others a pole.
Array random_array(Index sizes, const std::string& key, double low = -2, double high = 2);
/// Shorter: a random tensor.
Tensor random_tensor(Index sizes, const std::string& key, ScalarType dtype = kFloat32, double low = -2,
                     double high = 2);

}  // namespace backflow::test
