#include <backflow/ops/kernels/pooling/pooling.h>

#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/pooling/pooling_pieces.h>

namespace backflow::kernels {

ChannelBlocks Pooling::y() const {
  ChannelBlocks blocks = x;
  blocks.spatial = axes[0].outputs * axes[1].outputs * axes[2].outputs;
  return blocks;
}

void max_pool(const Pooling& p, const Tensor& y, const Tensor& choice, const Tensor& x) {
  const Tables tables(p);
  const std::int64_t outputs = p.y().spatial;
  const std::int64_t block = p.x.block;
  auto* const to_choice = choice.defined() ? static_cast<std::byte*>(choice.mutable_data_ptr()) : nullptr;
  const auto choice_size = static_cast<std::int64_t>(element_size(p.choice_dtype()));
  dispatch_floating(x.scalar_type(), "max_pool", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_piece_of_outputs(p, x.scalar_type(), [&](const PoolPiece& piece) {
      const std::int64_t at = piece.at(outputs, block);
      pool_loops<T>().max(*tables, piece.part, from + piece.at(p.x.spatial, block), from + x.numel(), to + at,
                          to_choice == nullptr ? nullptr : to_choice + at * choice_size, piece.lanes);
    });
  });
}

void average_pool(const Pooling& p, const Tensor& y, const Tensor& x) {
  const Tables tables(p);
  const std::int64_t outputs = p.y().spatial;
  const std::int64_t block = p.x.block;
  dispatch_floating(x.scalar_type(), "average_pool", [&](auto zero) {
    using T = decltype(zero);
    const T* const from = x.const_data_ptr<T>();
    T* const to = y.mutable_data_ptr<T>();
    for_each_piece_of_outputs(p, x.scalar_type(), [&](const PoolPiece& piece) {
      pool_loops<T>().average(*tables, piece.part, from + piece.at(p.x.spatial, block), from + x.numel(),
                              to + piece.at(outputs, block), piece.lanes);
    });
  });
}

void average_pool_backward(const Pooling& p, const Tensor& dx, const Tensor& dy) {
  const Tables tables(p);
  const std::int64_t outputs = p.y().spatial;
  const std::int64_t block = p.x.block;
  dispatch_floating(dx.scalar_type(), "average_pool_backward", [&](auto zero) {
    using T = decltype(zero);
    T* const to = dx.mutable_data_ptr<T>();
    const T* const from = dy.const_data_ptr<T>();
    for_each_piece_of_inputs(p, dx.scalar_type(), [&](const PoolPiece& piece) {
      T* const plane = to + piece.at(p.x.spatial, block);
      if (!tables->tiles) {
        clear_part(p, piece, plane);
      }
      pool_gradient_loops<T>().average(*tables, piece.part, plane, from + piece.at(outputs, block), piece.lanes);
    });
  });
}

}  // namespace backflow::kernels
