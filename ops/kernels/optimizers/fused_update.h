#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/threads.h>

// What the updates of all optimizers share: their operands, and how these are cut for the pool. An update goes once
// over parameter, gradient and state, in the parameter's dtype, with one rounding per operation of its formula: the
// same bits on any number of threads and any instruction set. bfloat16 is computed in float32, and what is written is
// rounded once. See sgd_update.h, adam_update.h, rmsprop_update.h and adagrad_update.h.
namespace backflow::kernels {

/// The most tensors of its size that an optimizer keeps for a parameter.
inline constexpr std::size_t kUpdateStates = 3;

/// The tensors of one parameter's update: of one shape and floating-point dtype, contiguous, without overlap.
struct UpdateOperand {
  Tensor parameter;
  Tensor gradient;
  std::array<Tensor, kUpdateStates> state;  ///< as the update numbers them; undefined what it does without
  std::int64_t step = 1;                    ///< the number of this parameter's updates, with this one
  bool new_state = false;                   ///< no update has written the state yet
};

/// Elements of an operand, `n` of them one after the other.
template <class T>
struct UpdatePiece {
  T* p;
  const T* g;
  std::array<T*, kUpdateStates> s;  ///< null for what is undefined
  std::size_t n;
};

/// Elements [begin, begin + n) of an operand.
struct UpdateRange {
  const UpdateOperand* operand;
  std::int64_t begin;
  std::int64_t n;
};

/// Calls `run` with the operands, the elements of each in one order: that of the gradient where this is kept in blocks,
/// in which parameter and state are kept from then on (the next convolution reads its weights as the last one wrote
/// their gradient), else row-major.
void in_one_order(std::span<const UpdateOperand> operands,
                  FunctionRef<void(std::span<const UpdateOperand> ordered)> run);

/// Calls `run` for ranges that together are the elements of all operands, each once, on the pool. All operands are one
/// loop over equal pieces: large ones are cut, small ones share a piece. No sum is cut, so the cut is free.
void for_each_range(std::span<const UpdateOperand> operands, FunctionRef<void(const UpdateRange&)> run);

template <class T>
UpdatePiece<T> piece_of(const UpdateRange& range) {
  const UpdateOperand& operand = *range.operand;
  UpdatePiece<T> piece{operand.parameter.mutable_data_ptr<T>() + range.begin,
                       operand.gradient.const_data_ptr<T>() + range.begin,
                       {},
                       static_cast<std::size_t>(range.n)};
  for (std::size_t k = 0; k < kUpdateStates; ++k) {
    piece.s[k] = operand.state[k].defined() ? operand.state[k].mutable_data_ptr<T>() + range.begin : nullptr;
  }
  return piece;
}

/// Calls `run` with copies of a range of bfloat16 in float32, piece by piece, and rounds parameter and state back.
void in_float32(const UpdateRange& range, FunctionRef<void(const UpdatePiece<float>&)> run);

/// Calls `run(operand, piece)` with pieces as of for_each_range, typed by the operand's dtype, or of float32 for
/// bfloat16. Throws Error, which names `where`, for other dtypes.
template <class F>
void for_each_piece(std::span<const UpdateOperand> operands, const char* where, const F& run) {
  in_one_order(operands, [&](std::span<const UpdateOperand> ordered) {
    for_each_range(ordered, [&](const UpdateRange& range) {
      if (range.operand->parameter.scalar_type() == kBFloat16) {
        in_float32(range, [&](const UpdatePiece<float>& piece) { run(*range.operand, piece); });
        return;
      }
      dispatch_floating(range.operand->parameter.scalar_type(), where,
                        [&](auto zero) { run(*range.operand, piece_of<decltype(zero)>(range)); });
    });
  });
}

}  // namespace backflow::kernels
