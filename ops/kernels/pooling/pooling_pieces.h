#pragma once

// How kernels of pooling are cut: into channels, and where these are few into parts of their planes.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/pooling/pooling.h>
#include <backflow/ops/kernels/pooling/pooling_loops.h>

namespace backflow::kernels {

/// The windows of a pooling along each dimension, as the loops need them.
class Tables {
 public:
  explicit Tables(const Pooling& p);
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  const PoolTables& operator*() const { return tables_; }
  const PoolTables* operator->() const { return &tables_; }

 private:
  void find_whole(const PoolAxis& axis);

  PoolTables tables_;
  std::array<PoolWindow, 80> few_;
  std::vector<PoolWindow> many_;
};

/// Channels of one block of one sample, at some of the positions.
struct PoolPiece {
  std::int64_t plane;  ///< sample * blocks + block
  std::int64_t lane;   ///< the first channel of the block
  std::size_t lanes;
  PoolPart part;

  /// The first element of the plane in a tensor with so many positions.
  std::int64_t at(std::int64_t positions, std::int64_t block) const { return plane * positions * block + lane; }
};

constexpr std::int64_t kMostLanes = 64;  ///< channels of one piece: a large block is cut

/// In which the windows of a pooling are walked once, about.
inline double nanoseconds_of(const Pooling& p, ScalarType dtype) {
  constexpr double kOfElement = 0.08;  // of a window
  const auto outputs = static_cast<double>(p.y().elements());
  const auto bytes = static_cast<double>(static_cast<std::size_t>(p.x.elements()) * element_size(dtype));
  return kOfElement * outputs * static_cast<double>(p.window()) + 2 * kNanosecondsPerByte * bytes;
}

/// How planes of `depth` x `height` rows are cut: into whole planes, and where these are fewer than the pieces that the
/// threads want into parts of at least `least` rows. Rows that belong together are given as one. No element's sum is
/// cut, so the cut is free.
class PoolCut {
 public:
  PoolCut(const ChannelBlocks& x, double nanoseconds, std::int64_t depth, std::int64_t height, std::int64_t least)
      : block_(x.block),
        depth_(depth),
        height_(height),
        rows_(depth > 1 ? depth : height),
        width_(std::min(x.block, kMostLanes)),
        groups_(chunks_of(x.block, width_)),
        planes_(x.batch * x.blocks() * groups_) {
    const std::int64_t most = chunks_of(rows_, least);
    const std::int64_t wanted = free_pieces(planes_ * most, nanoseconds);
    rows_each_ = chunks_of(rows_, std::clamp<std::int64_t>(chunks_of(wanted, std::max<std::int64_t>(planes_, 1)), 1,
                                                           std::max<std::int64_t>(most, 1)));
    parts_ = rows_each_ == 0 ? 1 : chunks_of(rows_, rows_each_);
    tasks_ = std::min(wanted, pieces());
  }
  std::int64_t pieces() const { return planes_ * parts_; }
  std::int64_t tasks() const { return tasks_; }
  /// The first piece of a task.
  std::int64_t begin(std::int64_t task) const { return begin_of_piece(task, tasks_, pieces()); }
  PoolPiece piece(std::int64_t i) const {
    const std::int64_t plane = i / parts_;
    const std::int64_t lane = plane % groups_ * width_;
    const std::int64_t from = i % parts_ * rows_each_;
    const std::int64_t to = std::min(rows_, from + rows_each_);
    return {plane / groups_, lane, static_cast<std::size_t>(std::min(width_, block_ - lane)),
            depth_ > 1 ? PoolPart{{from, 0}, {to, height_}} : PoolPart{{0, from}, {depth_, to}}};
  }

 private:
  std::int64_t block_;
  std::int64_t depth_;
  std::int64_t height_;
  std::int64_t rows_;
  std::int64_t width_;
  std::int64_t groups_;
  std::int64_t planes_;
  std::int64_t rows_each_;
  std::int64_t parts_;
  std::int64_t tasks_;
};

/// Calls f(piece) for all channels and rows, on the pool.
template <class F>
void for_each_piece(const PoolCut& cut, const F& f) {
  parallel_for(cut.tasks(), [&](std::int64_t task) {
    for (std::int64_t i = cut.begin(task); i < cut.begin(task + 1); ++i) {
      f(cut.piece(i));
    }
  });
}

/// Pieces of the outputs of a pooling.
template <class F>
void for_each_piece_of_outputs(const Pooling& p, ScalarType dtype, const F& f) {
  for_each_piece(PoolCut(p.x, nanoseconds_of(p, dtype), p.axes[0].outputs, p.axes[1].outputs, 1), f);
}

/// Pieces of the inputs of a pooling, for its gradient: windows that reach into two parts are walked twice.
template <class F>
void for_each_piece_of_inputs(const Pooling& p, ScalarType dtype, const F& f) {
  constexpr std::int64_t kLeastRows = 8;
  for_each_piece(PoolCut(p.x, nanoseconds_of(p, dtype), p.axes[0].size, p.axes[1].size, kLeastRows), f);
}

/// The positions of a part of a plane of x: they follow each other.
struct PoolPositions {
  std::int64_t from;
  std::int64_t to;

  PoolPositions(const Pooling& p, const PoolPart& part)
      : from((part.from[0] * p.axes[1].size + part.from[1]) * p.axes[2].size),
        to(((part.to[0] - 1) * p.axes[1].size + part.to[1]) * p.axes[2].size) {}
};

/// Sets the elements of a piece of dx, whose plane starts at `plane`, to zero.
template <class T>
void clear_part(const Pooling& p, const PoolPiece& piece, T* plane) {
  const PoolPositions positions(p, piece.part);
  const std::int64_t block = p.x.block;
  if (static_cast<std::int64_t>(piece.lanes) == block) {
    std::fill(plane + positions.from * block, plane + positions.to * block, T{0});
    return;
  }
  for (std::int64_t i = positions.from; i < positions.to; ++i) {
    std::fill_n(plane + i * block, piece.lanes, T{0});
  }
}

}  // namespace backflow::kernels
