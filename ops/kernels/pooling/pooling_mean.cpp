#include <algorithm>
#include <array>

#include <backflow/ops/kernels/pooling/pooling_pieces.h>

namespace backflow::kernels {
namespace {

double nanoseconds_of(const Tensor& x) { return kNanosecondsPerByte * static_cast<double>(x.nbytes()); }

}  // namespace

void mean_of_positions(const ChannelBlocks& b, const Tensor& y, const Tensor& x) {
  dispatch_floating(x.scalar_type(), "mean", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_piece(PoolCut(b, nanoseconds_of(x), 1, 1, 1), [&](const PoolPiece& piece) {
      const std::int64_t c = piece.plane % b.blocks() * b.block + piece.lane;
      const std::int64_t lanes = std::min(static_cast<std::int64_t>(piece.lanes), b.channels - c);
      mean_loops<T>().mean(from + piece.at(b.spatial, b.block), static_cast<std::size_t>(b.spatial),
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
    for_each_piece(PoolCut(b, nanoseconds_of(dx), 1, b.spatial, 1), [&](const PoolPiece& piece) {
      const std::int64_t c = piece.plane % b.blocks() * b.block + piece.lane;
      const T* const g = from + piece.plane / b.blocks() * b.channels + c;
      std::array<T, kMostLanes> value{};
      for (std::size_t i = 0; i < piece.lanes && c + static_cast<std::int64_t>(i) < b.channels; ++i) {
        value[i] = g[i] / static_cast<T>(b.spatial);
      }
      T* const plane = to + piece.at(b.spatial, b.block);
      const std::int64_t from_position = piece.part.from[1];
      const std::int64_t to_position = piece.part.to[1];
      if (b.block == 1) {
        std::fill(plane + from_position, plane + to_position, value[0]);
        return;
      }
      for (std::int64_t i = from_position; i < to_position; ++i) {
        std::copy_n(value.data(), piece.lanes, plane + i * b.block);
      }
    });
  });
}

}  // namespace backflow::kernels
