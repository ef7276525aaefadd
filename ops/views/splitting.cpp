// A tensor as a list of its parts, all of them views.
#include <algorithm>
#include <vector>

#include <backflow/ops/operator.h>

namespace backflow {
namespace {

using Parts = std::vector<Tensor>;

std::size_t split_dim(const char* where, const Tensor& x, std::int64_t dim) {
  check(x.dim() > 0, where, ": ", describe(x), " has no dimension to split: need at least one");
  return wrap_dim(where, dim, x.sizes().size());
}

struct Split {
  static constexpr OperatorInfo info = {
      .signature = "split(Tensor self, int split_size, int dim=0) -> Tensor[]",
      .formula = "y_i = x[i split_size : (i + 1) split_size] along a dimension",
      .doc = "The last part may be smaller. Need a size of 1 or more, or 0 for an empty dimension.",
      .dtypes = kAnyDtype,
  };
  static Parts forward(const Tensor& x, std::int64_t split_size, std::int64_t dim) {
    const std::size_t d = split_dim("split", x, dim);
    const std::int64_t size = x.sizes()[d];
    check(split_size > 0 || (split_size == 0 && size == 0), "split: parts of size ", split_size, " in dimension ", d,
          " of ", describe(x), ": need 1 or more");
    Parts parts;
    std::int64_t start = 0;
    do {
      const std::int64_t length = std::min(split_size, size - start);
      parts.push_back(narrow(x, dim, start, length));
      start += length;
    } while (start < size);
    return parts;
  }
};

struct SplitWithSizes {
  static constexpr OperatorInfo info = {
      .signature = "split_with_sizes(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]",
      .formula = "y_i = the next split_sizes[i] of x along a dimension",
      .doc = "The sizes are 0 or more, and their sum is that of the dimension.",
      .dtypes = kAnyDtype,
  };
  static Parts forward(const Tensor& x, IntArrayRef split_sizes, std::int64_t dim) {
    const std::size_t d = split_dim("split_with_sizes", x, dim);
    std::int64_t left = x.sizes()[d];
    bool fits = true;
    for (const std::int64_t length : split_sizes) {
      fits = fits && length >= 0 && length <= left;
      left -= fits ? length : 0;
    }
    check(fits && left == 0, "split_with_sizes: sizes ", split_sizes, " in dimension ", d, " of ", describe(x),
          ": need sizes of 0 or more with a sum of ", x.sizes()[d]);
    Parts parts;
    std::int64_t start = 0;
    for (const std::int64_t length : split_sizes) {
      parts.push_back(narrow(x, dim, start, length));
      start += length;
    }
    return parts;
  }
};

struct SplitSizes {
  static constexpr OperatorInfo info = {
      .signature = "split(Tensor self, int[] split_size, int dim=0) -> Tensor[]",
      .formula = "y_i = the next split_size[i] of x along a dimension",
      .doc = "split_with_sizes.",
      .dtypes = kAnyDtype,
  };
  static Parts forward(const Tensor& x, IntArrayRef split_size, std::int64_t dim) {
    return split_with_sizes(x, split_size, dim);
  }
};

struct Chunk {
  static constexpr OperatorInfo info = {
      .signature = "chunk(Tensor self, int chunks, int dim=0) -> Tensor[]",
      .formula = "y_i = the i-th of `chunks` equal parts of x along a dimension",
      .doc =
          "As PyTorch: the size of a part is the dimension's size over `chunks`, rounded up. So the last part may be "
          "smaller, and there may be fewer parts.",
      .dtypes = kAnyDtype,
  };
  static Parts forward(const Tensor& x, std::int64_t chunks, std::int64_t dim) {
    check(chunks > 0, "chunk: ", chunks, " chunks of ", describe(x), ": need 1 or more");
    const std::int64_t size = x.sizes().empty() ? 0 : x.sizes()[split_dim("chunk", x, dim)];
    if (size == 0 && x.dim() > 0) {
      return split_with_sizes(x, std::vector<std::int64_t>(static_cast<std::size_t>(chunks)), dim);
    }
    return split(x, size / chunks + (size % chunks != 0 ? 1 : 0), dim);
  }
};

/// Parts of `x` that end at these indices, and the rest; as in Python, indices may lie outside or be crossed.
Parts split_at(const Tensor& x, IntArrayRef indices, std::int64_t dim) {
  Parts parts;
  std::int64_t start = 0;
  for (const std::int64_t end : indices) {
    parts.push_back(slice(x, dim, start, end, 1));
    start = end;
  }
  parts.push_back(slice(x, dim, start, std::nullopt, 1));
  return parts;
}

struct TensorSplit {
  static constexpr OperatorInfo info = {
      .signature = "tensor_split(Tensor self, int sections, int dim=0) -> Tensor[]",
      .formula = "y_i = the i-th of `sections` parts of x along a dimension, the first ones larger by one",
      .doc = "Always `sections` parts.",
      .dtypes = kAnyDtype,
  };
  static Parts forward(const Tensor& x, std::int64_t sections, std::int64_t dim) {
    const std::size_t d = split_dim("tensor_split", x, dim);
    check(sections > 0, "tensor_split: ", sections, " sections of ", describe(x), ": need 1 or more");
    Parts parts;
    std::int64_t start = 0;
    for (std::int64_t i = 0; i < sections; ++i) {
      const std::int64_t length = x.sizes()[d] / sections + (i < x.sizes()[d] % sections ? 1 : 0);
      parts.push_back(narrow(x, dim, start, length));
      start += length;
    }
    return parts;
  }
};

struct TensorSplitAt {
  static constexpr OperatorInfo info = {
      .signature = "tensor_split(Tensor self, int[] indices, int dim=0) -> Tensor[]",
      .formula = "y_i = x[indices[i - 1] : indices[i]] along a dimension",
      .doc = "One more part than indices; the first starts at 0 and the last goes to the end.",
      .dtypes = kAnyDtype,
  };
  static Parts forward(const Tensor& x, IntArrayRef indices, std::int64_t dim) {
    split_dim("tensor_split", x, dim);
    return split_at(x, indices, dim);
  }
};

struct Unbind {
  static constexpr OperatorInfo info = {
      .signature = "unbind(Tensor self, int dim=0) -> Tensor[]",
      .formula = "y_i = x[i] along a dimension",
      .doc = "All of the tensor's slices, with one dimension less.",
      .dtypes = kAnyDtype,
  };
  static Parts forward(const Tensor& x, std::int64_t dim) {
    const std::size_t d = split_dim("unbind", x, dim);
    Parts parts;
    for (std::int64_t i = 0; i < x.sizes()[d]; ++i) {
      parts.push_back(select(x, dim, i));
    }
    return parts;
  }
};

}  // namespace

#include <backflow/ops/splitting_functions.inc>

OperatorFamily splitting_operators() {
  return family<Split, SplitSizes, SplitWithSizes, Chunk, TensorSplit, TensorSplitAt, Unbind>("splitting");
}

}  // namespace backflow
