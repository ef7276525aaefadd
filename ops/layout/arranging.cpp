// The elements of a tensor in another arrangement: turned round, rotated, repeated, one triangle of them.
#include <algorithm>

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/ops/indexing/indices_internal.h>
#include <backflow/ops/kernels/layout/triangle.h>

namespace backflow {
namespace {

using namespace detail;

struct Flip {
  static constexpr OperatorInfo info = {
      .signature = "flip(Tensor self, int[] dims) -> Tensor",
      .formula = "y[i] = x[n - 1 - i] along each of the dimensions;  dx = flip(dy)",
      .doc = "A copy. Each dimension is listed once; negative ones count from the end.",
      .dtypes = kAnyDtype,
      .node = "FlipBackward0",
  };
  DimVector dims_;
  static Tensor forward(const Tensor& x, IntArrayRef dims) {
    DimVector strides(x.strides());
    DimVector listed(std::max<std::size_t>(strides.size(), 1), 0);
    std::int64_t first = x.storage_offset();
    for (const std::int64_t dim : dims) {
      const std::size_t d = wrap_dim("flip", dim, strides.size());
      check(listed[d]++ == 0, "flip: dimensions ", dims, " of ", describe(x), ": need each of them once");
      if (x.dim() > 0 && x.numel() > 0) {
        first += (x.sizes()[d] - 1) * strides[d];
        strides[d] = -strides[d];
      }
    }
    return row_major_copy(view_of(x, x.sizes(), strides, first));
  }
  void save(Needs, const Tensor&, IntArrayRef dims, const Tensor&) { dims_ = dims; }
  void backward(Backward& b) const { b.dx(0) = flip(b.dy(), dims_); }
};

/// `x` moved by `shift` places along a dimension, off the tape.
Tensor rolled(const Tensor& x, std::int64_t shift, std::size_t d) {
  Tensor y = empty_tensor_like(x, x.scalar_type());
  const std::int64_t size = x.sizes()[d];
  if (x.numel() == 0) {
    return y;
  }
  const std::int64_t split = ((shift % size) + size) % size;
  const auto move = [&](std::int64_t from, std::int64_t to, std::int64_t length) {
    DimVector sizes(x.sizes());
    sizes[d] = length;
    kernels::copy(view_of(y, sizes, y.strides(), to * y.strides()[d]),
                  view_of(x, sizes, x.strides(), x.storage_offset() + from * x.strides()[d]));
  };
  move(0, split, size - split);
  move(size - split, 0, split);
  return y;
}

struct Roll {
  static constexpr OperatorInfo info = {
      .signature = "roll(Tensor self, int[] shifts, int[] dims=[]) -> Tensor",
      .formula = "y[(i + shift) mod n] = x[i] along each of the dimensions;  dx = roll(dy, -shifts)",
      .doc = "A copy. As many shifts as dimensions; one shift without dimensions shifts the flattened elements.",
      .dtypes = kAnyDtype,
      .node = "RollBackward0",
  };
  std::vector<std::int64_t> back;
  DimVector dims_;
  static Tensor forward(const Tensor& x, IntArrayRef shifts, IntArrayRef dims) {
    if (dims.empty() && shifts.size() == 1) {
      const Tensor row = row_major_copy(x);
      const Tensor line = view_of(row, row.numel(), 1, 0);
      return view_of(rolled(line, shifts[0], 0), x.sizes(), row.strides(), 0);
    }
    check(!shifts.empty() && shifts.size() == dims.size(), "roll: shifts ", shifts, " along dimensions ", dims, " of ",
          describe(x), ": need a shift for each dimension");
    check(x.dim() > 0, "roll: ", describe(x), " has no dimension ", dims[0], ": need at least one");
    Tensor y = x;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      y = rolled(y, shifts[i], wrap_dim("roll", dims[i], x.sizes().size()));
    }
    return y;
  }
  void save(Needs, const Tensor&, IntArrayRef shifts, IntArrayRef dims, const Tensor&) {
    for (const std::int64_t shift : shifts) {
      back.push_back(-shift);
    }
    dims_ = dims;
  }
  void backward(Backward& b) const { b.dx(0) = roll(b.dy(), back, dims_); }
};

/// Sizes with ones in front, so many that there are `rank`.
DimVector with_leading_ones(DimVector sizes, std::size_t rank) {
  while (sizes.size() < rank) {
    sizes.insert(0, 1);
  }
  return sizes;
}

struct Repeat {
  static constexpr OperatorInfo info = {
      .signature = "repeat(Tensor self, int[] repeats) -> Tensor",
      .formula = "y = x repeats[d] times along dimension d;  dx = the sum of dy over the repetitions",
      .doc = "A copy. There is a repeat for each dimension; further ones in front add new dimensions.",
      .dtypes = kAnyDtype,
      .node = "RepeatBackward0",
  };
  DimVector sizes;
  DimVector times;
  static Tensor forward(const Tensor& x, IntArrayRef repeats) {
    const bool fits = repeats.size() >= x.sizes().size() &&
                      std::all_of(repeats.begin(), repeats.end(), [](std::int64_t n) { return n >= 0; });
    check(fits, "repeat: ", describe(x), " by ", repeats,
          ": need numbers of 0 or more, at least as many as the tensor has dimensions");
    const DimVector old = with_leading_ones(x.sizes(), repeats.size());
    DimVector result(old);
    for (std::size_t d = 0; d < result.size(); ++d) {
      result[d] *= repeats[d];
    }
    Tensor y = empty_tensor(result, x.scalar_type());
    if (y.numel() == 0) {
      return y;
    }
    // The first repetition, then copies of what is there along one dimension after the other, from the last on.
    DimVector filled(old);
    kernels::copy(view_of(y, filled, y.strides(), 0), x);
    for (std::size_t d = old.size(); d-- > 0;) {
      if (repeats[d] > 1) {
        repeat_along(y, filled, d, repeats[d]);
        filled[d] = result[d];
      }
    }
    return y;
  }
  void save(Needs, const Tensor& x, IntArrayRef repeats, const Tensor&) {
    sizes = x.sizes();
    times = repeats;
  }
  void backward(Backward& b) const {
    const DimVector result = with_leading_ones(sizes, times.size());
    Tensor dx = b.dy();
    for (std::size_t d = 0; d < times.size(); ++d) {
      if (times[d] == 1) {
        continue;
      }
      // Dimension d as one of repetitions and one of elements, all others before and after made one.
      std::int64_t before = 1;
      std::int64_t after = 1;
      for (std::size_t k = 0; k < times.size(); ++k) {
        (k < d ? before : after) *= k < d ? result[k] : k == d ? 1 : result[k] * times[k];
      }
      dx = sum(reshape(dx, {before, times[d], result[d] * after}), 1);
    }
    b.dx(0) = reshape(dx, sizes);
  }

 private:
  /// Copies the block of y with these sizes, which is filled, to the places that follow it along a dimension, until
  /// there are `times` of it.
  static void repeat_along(const Tensor& y, const DimVector& block, std::size_t d, std::int64_t times) {
    const std::int64_t apart = block[d] * y.strides()[d];
    const Tensor from = view_of(y, block, y.strides(), 0);
    if (block.size() == kMaxDims) {
      for (std::int64_t i = 1; i < times; ++i) {
        kernels::copy(view_of(y, block, y.strides(), i * apart), from);
      }
      return;
    }
    DimVector sizes(block);
    DimVector strides(y.strides());
    sizes.insert(d, times - 1);
    strides.insert(d, apart);
    const Tensor to = view_of(y, sizes, strides, apart);
    strides[d] = 0;
    kernels::copy(to, view_of(y, sizes, strides, 0));
  }
};

struct Tile {
  static constexpr OperatorInfo info = {
      .signature = "tile(Tensor self, int[] dims) -> Tensor",
      .formula = "y = x dims[d] times along dimension d",
      .doc = "repeat, but with fewer numbers than dimensions they are for the last ones.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(const Tensor& x, IntArrayRef dims) {
    DimVector repeats(dims);
    while (repeats.size() < x.sizes().size()) {
      repeats.insert(0, 1);
    }
    return repeat(x, repeats);
  }
};

/// What tril and triu have in common.
template <kernels::Triangle kTriangle>
struct TriangleOperator {
  std::int64_t diagonal_;

  static Tensor forward(const Tensor& x, std::int64_t diagonal) {
    check_matrix(x);
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::triangle(y, x, kTriangle, diagonal);
    return y;
  }
  static bool forward_into(const Tensor& y, const Tensor&, std::int64_t diagonal) {
    check_matrix(y);
    kernels::triangle(y, y, kTriangle, diagonal);
    return true;
  }
  void save(Needs, const Tensor&, std::int64_t diagonal, const Tensor&) { diagonal_ = diagonal; }

 private:
  static void check_matrix(const Tensor& x) {
    check(x.dim() >= 2, kTriangle == kernels::Triangle::Lower ? "tril" : "triu", ": ", describe(x),
          ": need at least 2 dimensions");
  }
};

struct Tril : TriangleOperator<kernels::Triangle::Lower> {
  static constexpr OperatorInfo info = {
      .signature = "tril(Tensor self, int diagonal=0) -> Tensor",
      .formula = "y[i][j] = x[i][j] where j - i <= diagonal, else 0;  dx = tril(dy)",
      .doc = "The lower triangle of the matrices of the last two dimensions.",
      .dtypes = kAnyDtype,
      .node = "TrilBackward0",
      .inplace = "tril_(Tensor self, int diagonal=0) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = tril(b.dy(), diagonal_); }
};

struct Triu : TriangleOperator<kernels::Triangle::Upper> {
  static constexpr OperatorInfo info = {
      .signature = "triu(Tensor self, int diagonal=0) -> Tensor",
      .formula = "y[i][j] = x[i][j] where j - i >= diagonal, else 0;  dx = triu(dy)",
      .doc = "The upper triangle of the matrices of the last two dimensions.",
      .dtypes = kAnyDtype,
      .node = "TriuBackward0",
      .inplace = "triu_(Tensor self, int diagonal=0) -> Tensor",
  };
  void backward(Backward& b) const { b.dx(0) = triu(b.dy(), diagonal_); }
};

}  // namespace

#include <backflow/ops/arranging_functions.inc>

OperatorFamily arranging_operators() { return family<Flip, Roll, Repeat, Tile, Tril, Triu>("arranging"); }

}  // namespace backflow
