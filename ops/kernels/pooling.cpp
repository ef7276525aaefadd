#include <backflow/ops/kernels/pooling.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <backflow/ops/kernels/blocked.h>
#include <backflow/ops/kernels/pooling_loops.h>
#include <backflow/ops/kernels/strided.h>
#include <backflow/runtime/threads.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kPieceBytes = 64 * 1024;
constexpr std::int64_t kLanes = 64;  // channels of one piece: a large block is cut

std::int64_t positions(const Pooling& p) { return p.axes[0].outputs * p.axes[1].outputs * p.axes[2].outputs; }

/// The windows of a pooling along each dimension, as the loops need them.
class Tables {
 public:
  explicit Tables(const Pooling& p) {
    const std::int64_t count = p.axes[0].outputs + p.axes[1].outputs + p.axes[2].outputs;
    if (count > static_cast<std::int64_t>(few_.size())) {
      many_.resize(static_cast<std::size_t>(count));
    }
    PoolWindow* next = many_.empty() ? few_.data() : many_.data();
    tables_.tiles = true;
    for (std::size_t i = 0; i < 3; ++i) {
      const PoolAxis& axis = p.axes[i];
      tables_.windows[i] = next;
      tables_.outputs[i] = axis.outputs;
      tables_.sizes[i] = axis.size;
      tables_.kernels[i] = axis.kernel;
      for (std::int64_t o = 0; o < axis.outputs; ++o, ++next) {
        *next = axis.stride == 0 ? adaptive_window(axis, o) : window(axis, o, p.counts_padding);
        some_empty_ = some_empty_ || next->empty();
      }
      tables_.tiles = tables_.tiles && tiles(axis, tables_.windows[i]);
    }
    const std::int64_t width = p.axes[2].size;
    tables_.steps = {p.axes[0].dilation * p.axes[1].size * width * p.x.block, p.axes[1].dilation * width * p.x.block,
                     p.axes[2].dilation * p.x.block};
    tables_.block = p.x.block;
    tables_.divisor = p.divisor;
    tables_.stride = p.axes[2].stride;
    tables_.wide_choice = p.choice_dtype() != kUInt8;
    find_whole(p.axes[2]);
  }
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  const PoolTables& operator*() const { return tables_; }
  bool some_empty() const { return some_empty_; }

 private:
  static PoolWindow adaptive_window(const PoolAxis& axis, std::int64_t o) {
    // (o + 1) * size may be large, o * (size / outputs) is not.
    const std::int64_t whole = axis.size / axis.outputs;
    const std::int64_t rest = axis.size % axis.outputs;
    const std::int64_t first = o * whole + o * rest / axis.outputs;
    const std::int64_t end = (o + 1) * whole + ((o + 1) * rest + axis.outputs - 1) / axis.outputs;
    const auto n = static_cast<std::int32_t>(end - first);
    return {first, 0, n, n};
  }
  static PoolWindow window(const PoolAxis& axis, std::int64_t o, bool counts_padding) {
    const std::int64_t first = o * axis.stride - axis.padding;
    const auto reaches = [&](std::int64_t end) {  // how many elements lie before `end`
      return std::clamp<std::int64_t>((end - first + axis.dilation - 1) / axis.dilation, 0, axis.kernel);
    };
    const auto lo = static_cast<std::int32_t>(first < 0 ? reaches(0) : 0);
    const auto hi = static_cast<std::int32_t>(first < axis.size ? reaches(axis.size) : 0);
    const std::int64_t padded = axis.size + axis.padding;
    const std::int64_t counted = counts_padding ? (first < padded ? reaches(padded) : 0) : std::max(hi - lo, 0);
    return {first, lo, hi, static_cast<std::int32_t>(counted)};
  }
  static bool tiles(const PoolAxis& axis, const PoolWindow* windows) {
    std::int64_t next = 0;
    for (std::int64_t o = 0; o < axis.outputs; ++o) {
      const PoolWindow& w = windows[o];
      if ((axis.dilation != 1 && w.hi - w.lo > 1) || w.empty() || w.first + w.lo * axis.dilation != next) {
        return false;
      }
      next += w.hi - w.lo;
    }
    return next == axis.size;
  }
  void find_whole(const PoolAxis& axis) {
    const auto is_whole = [&](std::int64_t o) {
      const PoolWindow& w = tables_.windows[2][o];
      return w.lo == 0 && w.hi == axis.kernel;
    };
    std::int64_t from = 0;
    while (from < axis.outputs && !is_whole(from)) {
      ++from;
    }
    std::int64_t to = from;
    while (to < axis.outputs && is_whole(to)) {
      ++to;
    }
    tables_.whole_from = from;
    tables_.whole_to = to;
  }

  PoolTables tables_;
  std::array<PoolWindow, 80> few_;
  std::vector<PoolWindow> many_;
  bool some_empty_ = false;
};

/// Channels of one block of one sample.
struct Piece {
  std::int64_t plane;  ///< sample * blocks + block
  std::int64_t lane;   ///< the first channel of the block
  std::size_t lanes;

  /// The first element in a tensor with so many positions.
  std::int64_t at(std::int64_t positions, std::int64_t block) const { return plane * positions * block + lane; }
};

/// Calls f(piece) for all channels, on the pool; together they need `bytes` bytes.
template <class F>
void for_each_piece(const ChannelBlocks& x, std::size_t bytes, const F& f) {
  const std::int64_t width = std::min(x.block, kLanes);
  const std::int64_t groups = chunks_of(x.block, width);
  const std::int64_t pieces = x.batch * x.blocks() * groups;
  if (pieces == 0) {
    return;
  }
  const std::int64_t each = std::max<std::int64_t>(1, static_cast<std::int64_t>(bytes) / pieces);
  const std::int64_t count = std::max<std::int64_t>(1, kPieceBytes / each);
  parallel_for(chunks_of(pieces, count), [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * count; i < std::min(pieces, (chunk + 1) * count); ++i) {
      const std::int64_t lane = i % groups * width;
      f(Piece{i / groups, lane, static_cast<std::size_t>(std::min(width, x.block - lane))});
    }
  });
}

/// Sets the channels of a piece to zero at n positions.
template <class T>
void clear(T* x, std::int64_t n, std::int64_t block, std::size_t lanes) {
  if (static_cast<std::int64_t>(lanes) == block) {
    std::memset(x, 0, static_cast<std::size_t>(n * block) * sizeof(T));
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    std::memset(x + i * block, 0, lanes * sizeof(T));
  }
}

/// Calls f(output, element) for all choices of a piece, with offsets of elements in the plane of y and in that of x;
/// the latter is -1 where a window has no elements.
template <class C, class F>
void for_each_choice(const PoolTables& p, const C* choice, std::size_t lanes, const F& f) {
  const auto none = [&](std::int64_t i, std::int64_t j, std::int64_t k) {
    return p.windows[0][i].empty() || p.windows[1][j].empty() || p.windows[2][k].empty();
  };
  const std::int64_t area = p.kernels[1] * p.kernels[2];
  std::array<std::int64_t, 256> offsets;  // of the elements of a window
  const std::int64_t known = std::min<std::int64_t>(256, p.kernels[0] * area);
  const auto offset_of = [&](std::int64_t number) {
    return number / area * p.steps[0] + number % area / p.kernels[2] * p.steps[1] + number % p.kernels[2] * p.steps[2];
  };
  for (std::int64_t i = 0; i < known; ++i) {
    offsets[static_cast<std::size_t>(i)] = offset_of(i);
  }
  std::int64_t o = 0;
  for (std::int64_t i = 0; i < p.outputs[0]; ++i) {
    for (std::int64_t j = 0; j < p.outputs[1]; ++j) {
      const std::int64_t row = (p.windows[0][i].first * p.sizes[1] + p.windows[1][j].first) * p.sizes[2];
      for (std::int64_t k = 0; k < p.outputs[2]; ++k, o += p.block) {
        const bool is_empty = none(i, j, k);
        for (std::int64_t c = 0; c < static_cast<std::int64_t>(lanes); ++c) {
          const auto number = static_cast<std::int64_t>(choice[o + c]);
          const std::int64_t offset = number < known ? offsets[static_cast<std::size_t>(number)] : offset_of(number);
          f(o + c, is_empty ? -1 : (row + p.windows[2][k].first) * p.block + offset + c);
        }
      }
    }
  }
}

/// The same, for choices of either dtype, that start at element `at` of a tensor.
template <class F>
void for_each_choice(const PoolTables& p, const Tensor& choice, std::int64_t at, std::size_t lanes, const F& f) {
  if (p.wide_choice) {
    for_each_choice(p, choice.const_data_ptr<std::int32_t>() + at, lanes, f);
  } else {
    for_each_choice(p, choice.const_data_ptr<std::uint8_t>() + at, lanes, f);
  }
}

}  // namespace

ChannelBlocks Pooling::y() const {
  ChannelBlocks blocks = x;
  blocks.spatial = positions(*this);
  return blocks;
}

void max_pool(const Pooling& p, const Tensor& y, const Tensor& choice, const Tensor& x) {
  const Tables tables(p);
  const std::int64_t outputs = positions(p);
  const std::int64_t block = p.x.block;
  auto* const to_choice = choice.defined() ? static_cast<std::byte*>(choice.mutable_data_ptr()) : nullptr;
  const auto choice_size = static_cast<std::int64_t>(element_size(p.choice_dtype()));
  dispatch_floating(x.scalar_type(), "max_pool", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_piece(p.x, x.nbytes(), [&](const Piece& piece) {
      const std::int64_t at = piece.at(outputs, block);
      pool_loops<T>().max(*tables, from + piece.at(p.x.spatial, block), from + x.numel(), to + at,
                          to_choice == nullptr ? nullptr : to_choice + at * choice_size, piece.lanes);
    });
  });
  if (tables.some_empty()) {
    clear_padding({y, p.y()});
  }
}

void max_pool_backward(const Pooling& p, const Tensor& dx, const Tensor& dy, const Tensor& choice) {
  const Tables tables(p);
  const std::int64_t outputs = positions(p);
  const std::int64_t block = p.x.block;
  // Each lane compares its choice with every element of the window: good for small ones.
  const bool compares = block >= 4 && p.window() <= 16;
  dispatch_floating(dx.scalar_type(), "max_pool_backward", [&](auto zero) {
    using T = decltype(zero);
    T* const to = dx.mutable_data_ptr<T>();
    const T* const from = dy.const_data_ptr<T>();
    for_each_piece(p.x, dx.nbytes(), [&](const Piece& piece) {
      const std::int64_t at = piece.at(outputs, block);
      T* const plane = to + piece.at(p.x.spatial, block);
      const auto loop = compares ? pool_loops<T>().max_backward : nullptr;
      if (loop == nullptr || !(*tables).tiles) {
        clear(plane, p.x.spatial, block, piece.lanes);
      }
      if (loop != nullptr) {
        loop(*tables, plane, from + at, choice.const_data_ptr<std::uint8_t>() + at, piece.lanes);
      } else {
        for_each_choice(*tables, choice, at, piece.lanes, [&](std::int64_t o, std::int64_t i) {
          if (i >= 0) {
            plane[i] += from[at + o];
          }
        });
      }
    });
  });
}

void choose(const Pooling& p, const Tensor& y, const Tensor& x, const Tensor& choice) {
  const Tables tables(p);
  const std::int64_t outputs = positions(p);
  const std::int64_t block = p.x.block;
  dispatch_floating(x.scalar_type(), "choose", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_piece(p.x, x.nbytes(), [&](const Piece& piece) {
      const std::int64_t at = piece.at(outputs, block);
      const T* const plane = from + piece.at(p.x.spatial, block);
      for_each_choice(*tables, choice, at, piece.lanes,
                      [&](std::int64_t o, std::int64_t i) { to[at + o] = i >= 0 ? plane[i] : T{0}; });
    });
  });
}

void choice_indices(const Pooling& p, const Tensor& indices, const Tensor& choice) {
  const Tables tables(p);
  const std::int64_t outputs = positions(p);
  const std::int64_t block = p.x.block;
  auto* const to = indices.mutable_data_ptr<std::int64_t>();
  for_each_piece(p.x, indices.nbytes(), [&](const Piece& piece) {
    const std::int64_t at = piece.at(outputs, block);
    for_each_choice(*tables, choice, at, piece.lanes,
                    [&](std::int64_t o, std::int64_t i) { to[at + o] = i >= 0 ? i / block : -1; });
  });
  clear_padding({indices, p.y()});
}

void average_pool(const Pooling& p, const Tensor& y, const Tensor& x) {
  const Tables tables(p);
  const std::int64_t outputs = positions(p);
  const std::int64_t block = p.x.block;
  dispatch_floating(x.scalar_type(), "average_pool", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_piece(p.x, x.nbytes(), [&](const Piece& piece) {
      pool_loops<T>().average(*tables, from + piece.at(p.x.spatial, block), from + x.numel(),
                              to + piece.at(outputs, block), piece.lanes);
    });
  });
}

void average_pool_backward(const Pooling& p, const Tensor& dx, const Tensor& dy) {
  const Tables tables(p);
  const std::int64_t outputs = positions(p);
  const std::int64_t block = p.x.block;
  dispatch_floating(dx.scalar_type(), "average_pool_backward", [&](auto zero) {
    using T = decltype(zero);
    T* const to = dx.mutable_data_ptr<T>();
    const T* const from = dy.const_data_ptr<T>();
    for_each_piece(p.x, dx.nbytes(), [&](const Piece& piece) {
      T* const plane = to + piece.at(p.x.spatial, block);
      if (!(*tables).tiles) {
        clear(plane, p.x.spatial, block, piece.lanes);
      }
      pool_loops<T>().average_backward(*tables, plane, from + piece.at(outputs, block), piece.lanes);
    });
  });
}

void mean_of_positions(const ChannelBlocks& b, const Tensor& y, const Tensor& x) {
  dispatch_floating(x.scalar_type(), "mean", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_piece(b, x.nbytes(), [&](const Piece& piece) {
      const std::int64_t c = piece.plane % b.blocks() * b.block + piece.lane;
      const std::int64_t lanes = std::min(static_cast<std::int64_t>(piece.lanes), b.channels - c);
      pool_loops<T>().mean(from + piece.at(b.spatial, b.block), static_cast<std::size_t>(b.spatial),
                           static_cast<std::size_t>(b.block), to + piece.plane / b.blocks() * b.channels + c,
                           static_cast<std::size_t>(std::max<std::int64_t>(lanes, 0)));
    });
  });
}

void mean_of_positions_backward(const ChannelBlocks& b, const Tensor& dx, const Tensor& dy) {
  dispatch_floating(dx.scalar_type(), "mean_backward", [&](auto zero) {
    using T = decltype(zero);
    T* const to = dx.mutable_data_ptr<T>();
    const T* const from = dy.const_data_ptr<T>();
    for_each_piece(b, dx.nbytes(), [&](const Piece& piece) {
      const std::int64_t c = piece.plane % b.blocks() * b.block + piece.lane;
      const T* const g = from + piece.plane / b.blocks() * b.channels + c;
      std::array<T, kLanes> value{};
      for (std::size_t i = 0; i < piece.lanes && c + static_cast<std::int64_t>(i) < b.channels; ++i) {
        value[i] = g[i] / static_cast<T>(b.spatial);
      }
      T* const plane = to + piece.at(b.spatial, b.block);
      if (b.block == 1) {
        std::fill_n(plane, b.spatial, value[0]);
        return;
      }
      for (std::int64_t i = 0; i < b.spatial; ++i) {
        std::copy_n(value.data(), piece.lanes, plane + i * b.block);
      }
    });
  });
}

}  // namespace backflow::kernels
