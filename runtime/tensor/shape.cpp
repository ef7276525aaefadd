#include <backflow/runtime/tensor/shape.h>

#include <limits>
#include <ostream>

namespace backflow {

std::ostream& operator<<(std::ostream& out, IntArrayRef list) {
  out << '[';
  for (std::size_t i = 0; i < list.size(); ++i) {
    out << (i == 0 ? "" : ", ") << list[i];
  }
  return out << ']';
}

std::int64_t numel_of(IntArrayRef sizes) {
  std::int64_t n = 1;
  for (const std::int64_t size : sizes) {
    check(size >= 0, "tensor: negative size in ", sizes, ": need sizes of 0 or more");
    check(!__builtin_mul_overflow(n, size, &n), "tensor: ", sizes, " has more than 2^63 elements");
  }
  return n;
}

DimVector contiguous_strides(IntArrayRef sizes) {
  DimVector strides(sizes);
  std::int64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    // Without elements, too: sizes behind a 0 have a product that numel_of() does not see.
    const bool fits = !__builtin_mul_overflow(stride, std::max<std::int64_t>(sizes[i], 1), &stride);
    check(fits, "tensor: ", sizes, " has strides of more than 2^63 elements: need smaller sizes");
  }
  return strides;
}

bool strides_are_contiguous(IntArrayRef sizes, IntArrayRef strides) {
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) {
    return true;
  }
  std::int64_t expected = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] != 1 && strides[i] != expected) {
      return false;
    }
    expected *= sizes[i];
  }
  return true;
}

bool is_expandable_to(IntArrayRef from, IntArrayRef to) {
  if (from.size() > to.size()) {
    return false;
  }
  const std::size_t added = to.size() - from.size();
  for (std::size_t d = 0; d < from.size(); ++d) {
    if (from[d] != 1 && from[d] != to[added + d]) {
      return false;
    }
  }
  return true;
}

DimVector broadcast_shapes(const char* where, IntArrayRef a, IntArrayRef b) {
  const std::size_t rank = std::max(a.size(), b.size());
  DimVector out;
  out.resize(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t sa = i < rank - a.size() ? 1 : a[i - (rank - a.size())];
    const std::int64_t sb = i < rank - b.size() ? 1 : b[i - (rank - b.size())];
    check(sa == sb || sa == 1 || sb == 1, where, ": shapes do not broadcast (", a, " and ", b,
          "): need equal sizes, or 1, counted from the last dimension");
    out[i] = sa == 1 ? sb : sa;
  }
  return out;
}

std::size_t wrap_dim(const char* where, std::int64_t dim, std::size_t rank) {
  const auto n = static_cast<std::int64_t>(std::max<std::size_t>(rank, 1));
  check(dim >= -n && dim < n, where, ": dimension ", dim, " of a tensor with ", rank, " dimensions: need one in [", -n,
        ", ", n - 1, "]");
  return static_cast<std::size_t>(dim < 0 ? dim + n : dim);
}

}  // namespace backflow
