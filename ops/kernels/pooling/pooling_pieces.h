#pragma once

// How kernels of pooling are cut: into channels, and where these are few into parts of their planes.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <backflow/ops/kernels/layout/strided.h>
#include <backflow/ops/kernels/pooling/pooling.h>
#include <backflow/ops/kernels/pooling/pooling_loops.h>
#include <backflow/runtime/threads/threads.h>

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

/// Cuts planes of `depth` x `height` rows: calls f(piece) for all channels and rows, on the pool; together they need
/// `bytes` bytes. Rows that belong together are given as one.
template <class F>
void for_each_piece(const ChannelBlocks& x, std::size_t bytes, std::int64_t depth, std::int64_t height, const F& f) {
  constexpr std::int64_t kBytes = 64 * 1024;
  constexpr std::int64_t kEnough = 16;  // pieces: windows that reach into two are walked twice
  const std::int64_t width = std::min(x.block, kMostLanes);
  const std::int64_t groups = chunks_of(x.block, width);
  const std::int64_t planes = x.batch * x.blocks() * groups;
  if (planes == 0) {
    return;
  }
  const std::int64_t each = std::max<std::int64_t>(1, static_cast<std::int64_t>(bytes) / planes);
  const std::int64_t rows = depth > 1 ? depth : height;
  const std::int64_t rows_each =
      std::max<std::int64_t>({1, chunks_of(rows * planes, kEnough), chunks_of(rows * kBytes, each)});
  const std::int64_t parts = std::max<std::int64_t>(1, chunks_of(rows, rows_each));
  const std::int64_t pieces = planes * parts;
  const std::int64_t count = std::max<std::int64_t>(1, kBytes / std::max<std::int64_t>(1, each / parts));
  parallel_for(chunks_of(pieces, count), [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * count; i < std::min(pieces, (chunk + 1) * count); ++i) {
      const std::int64_t plane = i / parts;
      const std::int64_t lane = plane % groups * width;
      const std::int64_t from = i % parts * rows_each;
      const std::int64_t to = std::min(rows, from + rows_each);
      f(PoolPiece{plane / groups, lane, static_cast<std::size_t>(std::min(width, x.block - lane)),
                  depth > 1 ? PoolPart{{from, 0}, {to, height}} : PoolPart{{0, from}, {depth, to}}});
    }
  });
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
