#include <backflow/tests/support/arrays.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <backflow/runtime/base/philox.h>

namespace backflow::test {
namespace {

std::size_t place(const Array& x, const Index& index) {
  std::int64_t result = 0;
  for (std::size_t d = 0; d < x.sizes.size(); ++d) {
    result = result * x.sizes[d] + index[d];
  }
  return static_cast<std::size_t>(result);
}

/// The index into an array of `sizes` that broadcasts to `index`.
Index broadcast_index(const Index& sizes, const Index& index) {
  Index result(sizes.size());
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    result[d] = sizes[d] == 1 ? 0 : index[index.size() - sizes.size() + d];
  }
  return result;
}

std::int64_t offset_of(const Tensor& x, const Index& index) {
  std::int64_t result = 0;
  for (std::size_t d = 0; d < index.size(); ++d) {
    result += index[d] * x.strides()[d];
  }
  return result;
}

Tensor uninitialized(const Index& sizes, ScalarType dtype, Layout layout) {
  Index memory = sizes;
  if (layout == Layout::Contiguous || sizes.empty()) {
    return empty_tensor(sizes, dtype);
  }
  if (layout == Layout::Transposed) {
    std::reverse(memory.begin(), memory.end());
    DimVector strides = contiguous_strides(memory);
    std::reverse(strides.begin(), strides.end());
    return view_of(empty_tensor(memory, dtype), sizes, strides, 0);
  }
  if (layout == Layout::Expanded) {
    memory[0] = std::min<std::int64_t>(memory[0], 1);
    DimVector strides = contiguous_strides(memory);
    strides[0] = 0;
    return view_of(empty_tensor(memory, dtype), sizes, strides, 0);
  }
  memory.back() = 2 * memory.back() + 1;
  DimVector strides = contiguous_strides(memory);
  strides.back() = 2;
  return view_of(empty_tensor(memory, dtype), sizes, strides, 1);
}

}  // namespace

double Array::at(const Index& index) const { return data[place(*this, index)]; }
double& Array::at(const Index& index) { return data[place(*this, index)]; }

Array array_of(Index sizes) {
  std::int64_t n = 1;
  for (const std::int64_t size : sizes) {
    n *= size;
  }
  return {std::move(sizes), std::vector<double>(static_cast<std::size_t>(n))};
}

void for_each_index(const Index& sizes, const std::function<void(const Index&)>& f) {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) {
    return;
  }
  Index index(sizes.size());
  while (true) {
    f(index);
    std::size_t d = sizes.size();
    while (d > 0 && ++index[d - 1] == sizes[d - 1]) {
      index[--d] = 0;
    }
    if (d == 0) {
      return;
    }
  }
}

Array permuted(const Array& x, const Index& dims) {
  Index sizes;
  for (const std::int64_t d : dims) {
    sizes.push_back(x.sizes[static_cast<std::size_t>(d)]);
  }
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& to) {
    Index from(to.size());
    for (std::size_t d = 0; d < to.size(); ++d) {
      from[static_cast<std::size_t>(dims[d])] = to[d];
    }
    y.at(to) = x.at(from);
  });
  return y;
}

Array map(const Array& x, const std::function<double(double)>& f) {
  Array y = x;
  std::transform(x.data.begin(), x.data.end(), y.data.begin(), f);
  return y;
}

Array map(const Array& x, const Array& w, const std::function<double(double, double)>& f) {
  const std::size_t rank = std::max(x.sizes.size(), w.sizes.size());
  Index sizes(rank, 1);
  for (const Array* a : {&x, &w}) {
    for (std::size_t d = 0; d < a->sizes.size(); ++d) {
      std::int64_t& size = sizes[rank - a->sizes.size() + d];
      size = a->sizes[d] == 1 ? size : a->sizes[d];
    }
  }
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& index) {
    y.at(index) = f(x.at(broadcast_index(x.sizes, index)), w.at(broadcast_index(w.sizes, index)));
  });
  return y;
}

const char* name(Layout layout) {
  constexpr const char* kNames[] = {"contiguous", "transposed", "strided", "expanded"};
  return kNames[static_cast<std::size_t>(layout)];
}

Tensor tensor_of(const Array& values, ScalarType dtype, Layout layout) {
  Tensor x = uninitialized(values.sizes, dtype, layout);
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* const to = x.data_ptr<T>();
    if (layout == Layout::Contiguous) {
      std::transform(values.data.begin(), values.data.end(), to, [](double v) { return static_cast<T>(v); });
      return;
    }
    for_each_index(values.sizes, [&](const Index& index) {
      if (layout != Layout::Expanded || index[0] == 0) {
        to[offset_of(x, index)] = static_cast<T>(values.at(index));
      }
    });
  });
  return x;
}

Array array_of(const Tensor& x) {
  Array values = array_of(x.sizes().vec());
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    for_each_index(values.sizes, [&](const Index& index) {
      values.at(index) = static_cast<double>(x.data_ptr<T>()[offset_of(x, index)]);
    });
  });
  return values;
}

double distance(const Array& a, const Array& b) {
  if (a.sizes != b.sizes) {
    return std::numeric_limits<double>::infinity();
  }
  double largest = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) {
    const double x = a.data[i];
    const double y = b.data[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) {
      continue;
    }
    const double d = std::abs(x - y) / std::max(1.0, std::abs(y));
    largest = std::isfinite(d) ? std::max(largest, d) : std::numeric_limits<double>::infinity();
  }
  return largest;
}

bool bitwise_equal(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) {
    return a.defined() == b.defined();
  }
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) {
    return false;
  }
  if (a.numel() == 0) {
    return true;
  }
  if (a.is_contiguous() && b.is_contiguous()) {
    return std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
  }
  bool equal = true;
  dispatch(a.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    for_each_index(a.sizes().vec(), [&](const Index& index) {
      const void* const x = a.data_ptr<T>() + offset_of(a, index);
      const void* const y = b.data_ptr<T>() + offset_of(b, index);
      equal = equal && std::memcmp(x, y, sizeof(T)) == 0;
    });
  });
  return equal;
}

bool bitwise_equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Tensor& x, const Tensor& y) { return bitwise_equal(x, y); });
}

Array random_array(Index sizes, const std::string& key, double low, double high) {
  std::uint64_t seed = 14695981039346656037U;  // FNV-1a
  for (const char c : key) {
    seed = (seed ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  PhiloxStream random(seed);
  Array values = array_of(std::move(sizes));
  for (double& v : values.data) {
    v = low + (high - low) * random.uniform();
    if (std::abs(v) < 0.1) {
      v += v < 0 ? -0.2 : 0.2;
    }
  }
  return values;
}

Tensor random_tensor(Index sizes, const std::string& key, ScalarType dtype, double low, double high) {
  return tensor_of(random_array(std::move(sizes), key, low, high), dtype);
}

}  // namespace backflow::test
