// Operators that join a list of tensors.
#include <algorithm>
#include <vector>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/channels.h>
#include <backflow/ops/kernels/layout/copies.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

ScalarType common_dtype(TensorList tensors) {
  ScalarType common = tensors[0].scalar_type();
  for (const Tensor& x : tensors) {
    common = promote_types(common, x.scalar_type());
  }
  return common;
}

std::vector<ScalarType> dtypes_of(TensorList tensors) {
  std::vector<ScalarType> dtypes;
  for (const Tensor& x : tensors) {
    dtypes.push_back(x.scalar_type());
  }
  return dtypes;
}

/// Elements [start, start + length) of dimension `dim`, off the tape.
Tensor part(const Tensor& x, std::size_t dim, std::int64_t start, std::int64_t length) {
  DimVector sizes(x.sizes());
  sizes[dim] = length;
  return view_of(x, sizes, x.strides(), x.storage_offset() + start * x.strides()[dim]);
}

/// The blocks in which tensors joined along their channels are kept: 1 when none of them is kept in blocks, else those
/// of the first that is, but one block of all channels when each of them is one of its own.
std::int64_t joined_block(TensorList tensors, std::int64_t channels) {
  std::int64_t block = 1;
  bool one_size = true;
  bool one_block_each = true;
  for (const Tensor& x : tensors) {
    const std::int64_t own = x.dim() >= 2 ? kernels::block_of(x) : 1;
    one_size = one_size && (block == 1 || own == block);
    one_block_each = one_block_each && x.dim() >= 2 && own == x.sizes()[1];
    block = block == 1 ? own : block;
  }
  const bool is_vector = block == 8 || block == 16;
  return block != 1 && one_block_each && !(one_size && is_vector) ? channels : block;
}

/// Tensors of one dtype joined along their channels in blocks; undefined when none of them is kept in blocks.
Tensor join_blocks(TensorList tensors, const DimVector& sizes, ScalarType dtype) {
  const auto fits = [&](const Tensor& x) { return x.dim() >= 2 && x.scalar_type() == dtype; };
  if (std::none_of(tensors.begin(), tensors.end(), kernels::may_be_blocked) ||
      !std::all_of(tensors.begin(), tensors.end(), fits) || numel_of(sizes) == 0) [[likely]] {
    return {};
  }
  const std::int64_t block = joined_block(tensors, sizes[1]);
  if (block == 1) {
    return {};
  }
  Tensor y = kernels::empty_blocked(sizes, dtype, block);
  const kernels::Blocked to = kernels::as_blocked(y, block);
  std::vector<kernels::ChannelCopy> copies;
  std::int64_t start = 0;
  for (const Tensor& x : tensors) {
    const std::int64_t channels = x.sizes()[1];
    const kernels::Blocked own = kernels::blocked(x);
    copies.push_back({to, start, own ? own : kernels::as_blocked(x, channels == 1 ? 1 : block), 0, channels});
    start += channels;
  }
  kernels::copy_channels(copies);
  kernels::clear_padding(to);
  return y;
}

/// The copy of channels [start, start + length) of a tensor that is kept in blocks to a new one `part` in blocks, of
/// its own size when `block` is 1.
kernels::ChannelCopy copy_of_channels(Tensor& part, const Tensor& x, std::int64_t start, std::int64_t length,
                                      std::int64_t block) {
  const kernels::Blocked from = kernels::blocked(x);
  DimVector sizes(x.sizes());
  sizes[1] = length;
  block = block == 1 ? from.blocks.block : block;
  part = kernels::empty_blocked(sizes, x.scalar_type(), block);
  return {kernels::as_blocked(part, block), 0, from, start, length};
}

struct Stack {
  static constexpr bool kSavesTensors = false;
  static constexpr OperatorInfo info = {
      .signature = "stack(Tensor[] tensors, int dim=0) -> Tensor",
      .formula = "y[i] = x_i along a new dimension;  dx_i = dy[i]",
      .doc =
          "Joins tensors of one shape along a new dimension `dim` of the result; a negative one counts from the end. "
          "Dtypes are promoted. An Error for an empty list and for shapes that differ.",
      .dtypes = kAnyDtype,
      .node = "StackBackward0",
  };
  std::int64_t dim_;
  std::vector<ScalarType> dtypes;
  static Tensor forward(TensorList tensors, std::int64_t dim) {
    check(!tensors.empty(), "stack: no tensors: need at least one");
    for (std::size_t i = 1; i < tensors.size(); ++i) {
      check(tensors[i].sizes() == tensors[0].sizes(), "stack: tensor ", i, " is ", describe(tensors[i]), ", tensor 0 ",
            describe(tensors[0]), ": need equal shapes");
    }
    DimVector sizes(tensors[0].sizes());
    const std::size_t d = wrap_dim("stack", dim, sizes.size() + 1);
    sizes.insert(d, static_cast<std::int64_t>(tensors.size()));
    Tensor y = empty_tensor(sizes, common_dtype(tensors));
    DimVector strides(y.strides());
    strides.erase(d);
    kernels::Copies copies(y.nbytes());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const std::int64_t offset = static_cast<std::int64_t>(i) * y.strides()[d];
      copies.add(view_of(y, tensors[0].sizes(), strides, offset), tensors[i]);
    }
    copies.run();
    return y;
  }
  void save(Needs, TensorList tensors, std::int64_t dim, const Tensor&) {
    dim_ = dim;
    dtypes = dtypes_of(tensors);
  }
  void backward(Backward& b) const {
    for (std::size_t i = 0; i < dtypes.size(); ++i) {
      b.set_dx(i, [&] { return to(select(b.dy(), dim_, static_cast<std::int64_t>(i)), dtypes[i]); });
    }
  }
};

struct Cat {
  static constexpr bool kSavesTensors = false;
  static constexpr OperatorInfo info = {
      .signature = "cat(Tensor[] tensors, int dim=0) -> Tensor",
      .formula = "y = [x_0, x_1, ...] along a dimension;  dx_i = the part of dy that was x_i",
      .doc =
          "Joins tensors along a dimension; their other sizes must be equal. Dtypes are promoted. As in PyTorch, "
          "tensors of shape [0] are skipped. An Error for an empty list, for a tensor without dimensions and for sizes "
          "that differ.",
      .dtypes = kAnyDtype,
      .node = "CatBackward0",
  };
  std::size_t dim_;
  std::vector<ScalarType> dtypes;
  std::vector<std::int64_t> lengths;
  std::vector<bool> left_out;
  std::vector<std::int64_t> blocks;  ///< in which operands are kept, if their channels are joined

  static bool is_left_out(const Tensor& x) { return x.sizes() == IntArrayRef({0}); }
  /// The first tensor that counts, or the first of all.
  static std::size_t first_of(TensorList tensors) {
    std::size_t first = 0;
    while (first < tensors.size() && is_left_out(tensors[first])) {
      ++first;
    }
    return first < tensors.size() ? first : 0;
  }
  static DimVector shape(TensorList tensors, std::int64_t dim) {
    const std::size_t first = first_of(tensors);
    DimVector sizes(tensors[first].sizes());
    const std::size_t d = wrap_dim("cat", dim, sizes.size());
    sizes[d] = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (is_left_out(tensors[i])) {
        continue;
      }
      DimVector other(tensors[i].sizes());
      bool fits = other.size() == sizes.size();
      if (fits) {
        other[d] = sizes[d];
        fits = other == sizes;
      }
      check(fits, "cat: tensor ", i, " is ", describe(tensors[i]), ", tensor ", first, " ", describe(tensors[first]),
            ": need equal sizes except in dimension ", d);
      sizes[d] += tensors[i].sizes()[d];
    }
    return sizes;
  }
  static Tensor forward(TensorList tensors, std::int64_t dim) {
    check(!tensors.empty(), "cat: no tensors: need at least one");
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      check(tensors[i].dim() > 0, "cat: tensor ", i, " is ", describe(tensors[i]),
            ", without dimensions: need tensors that have some; stack() joins numbers");
    }
    const DimVector sizes = shape(tensors, dim);
    const std::size_t d = wrap_dim("cat", dim, sizes.size());
    if (d == 1) {
      if (Tensor y = join_blocks(tensors, sizes, common_dtype(tensors)); y.defined()) {
        return y;
      }
    }
    Tensor y = empty_tensor(sizes, common_dtype(tensors));
    kernels::Copies copies(y.nbytes());
    std::int64_t start = 0;
    for (const Tensor& x : tensors) {
      if (!is_left_out(x)) {
        copies.add(part(y, d, start, x.sizes()[d]), x);
        start += x.sizes()[d];
      }
    }
    copies.run();
    return y;
  }
  void save(Needs, TensorList tensors, std::int64_t dim, const Tensor& y) {
    dim_ = wrap_dim("cat", dim, y.sizes().size());
    dtypes = dtypes_of(tensors);
    for (const Tensor& x : tensors) {
      left_out.push_back(is_left_out(x));
      lengths.push_back(left_out.back() ? 0 : x.sizes()[dim_]);
      if (dim_ == 1) {
        blocks.push_back(kernels::block_of(x));
      }
    }
  }
  void backward(Backward& b) const {
    const Tensor& dy = b.dy();
    const bool is_in_blocks = dim_ == 1 && !GradMode::is_enabled() && kernels::blocked(dy);
    std::vector<kernels::ChannelCopy> copies;
    std::int64_t start = 0;
    for (std::size_t i = 0; i < dtypes.size(); start += lengths[i], ++i) {
      if (!b.wants(i)) {
        continue;
      }
      if (left_out[i]) {
        b.dx(i) = empty_tensor({0}, dtypes[i]);
      } else if (is_in_blocks && lengths[i] > 0 && dtypes[i] == dy.scalar_type()) {
        copies.push_back(copy_of_channels(b.dx(i), dy, start, lengths[i], blocks[i]));
      } else {
        b.dx(i) = to(narrow(dy, static_cast<std::int64_t>(dim_), start, lengths[i]), dtypes[i]);
      }
    }
    kernels::copy_channels(copies);
    for (const kernels::ChannelCopy& copy : copies) {
      kernels::clear_padding(copy.to);
    }
  }
};

struct Concat {
  static constexpr OperatorInfo info = {
      .signature = "concat(Tensor[] tensors, int dim=0) -> Tensor",
      .formula = "y = [x_0, x_1, ...] along a dimension",
      .doc = "cat by another name.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(TensorList tensors, std::int64_t dim) { return cat(tensors, dim); }
};

struct Concatenate {
  static constexpr OperatorInfo info = {
      .signature = "concatenate(Tensor[] tensors, int dim=0) -> Tensor",
      .formula = "y = [x_0, x_1, ...] along a dimension",
      .doc = "cat by another name.",
      .dtypes = kAnyDtype,
  };
  static Tensor forward(TensorList tensors, std::int64_t dim) { return cat(tensors, dim); }
};

}  // namespace

#include <backflow/ops/joining_functions.inc>

OperatorFamily joining_operators() { return family<Stack, Cat, Concat, Concatenate>("joining"); }

}  // namespace backflow
