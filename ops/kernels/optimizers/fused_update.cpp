#include <backflow/ops/kernels/optimizers/fused_update.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/layout/ranges.h>
#include <backflow/ops/kernels/layout/strided.h>

namespace backflow::kernels {
namespace {

/// The operands' elements in tasks: the ranges of task i are those from ends[i - 1] to ends[i].
struct Tasks {
  std::vector<UpdateRange> ranges;
  std::vector<std::size_t> ends;
};

template <class F>
void for_each_tensor(const UpdateOperand& x, const F& f) {
  f(x.parameter);
  f(x.gradient);
  for (const Tensor& state : x.state) {
    if (state.defined()) {
      f(state);
    }
  }
}

/// In which all operands are updated, about: parameter and states are read and written, which hides the arithmetic.
double nanoseconds_of(std::span<const UpdateOperand> operands) {
  std::int64_t bytes = 0;
  for (const UpdateOperand& operand : operands) {
    for_each_tensor(operand, [&](const Tensor& x) { bytes += 2 * static_cast<std::int64_t>(x.nbytes()); });
  }
  return kNanosecondsPerByte * static_cast<double>(bytes);
}

Tasks cut(std::span<const UpdateOperand> operands) {
  std::int64_t all = 0;
  for (const UpdateOperand& operand : operands) {
    all += operand.parameter.numel();
  }
  const std::int64_t each = chunks_of(all, free_pieces(chunks_of(all, kRangeStep), nanoseconds_of(operands)));
  Tasks tasks;
  tasks.ranges.reserve(operands.size());
  std::int64_t room = each;
  for (const UpdateOperand& operand : operands) {
    const std::int64_t numel = operand.parameter.numel();
    for (std::int64_t begin = 0; begin < numel;) {
      const std::int64_t end = std::min(numel, chunks_of(begin + room, kRangeStep) * kRangeStep);
      tasks.ranges.push_back({&operand, begin, end - begin});
      room -= end - begin;
      begin = end;
      if (room <= 0) {
        tasks.ends.push_back(tasks.ranges.size());
        room = each;
      }
    }
  }
  if (tasks.ends.empty() || tasks.ends.back() != tasks.ranges.size()) {
    tasks.ends.push_back(tasks.ranges.size());
  }
  return tasks;
}

/// All tensors of x in the blocks of its gradient; false, with nothing done but in part, where one can't be.
bool bring_in_blocks(UpdateOperand& x) {
  const Blocked gradient = any_blocks(x.gradient);
  if (!gradient || gradient.blocks.is_padded()) {
    return false;
  }
  UpdateOperand in_blocks = x;
  in_blocks.gradient = gradient.elements;
  in_blocks.parameter = keep_in_blocks(x.parameter, gradient.blocks).elements;
  bool all = in_blocks.parameter.defined();
  for (std::size_t k = 0; k < kUpdateStates && all; ++k) {
    if (x.state[k].defined()) {
      in_blocks.state[k] = keep_in_blocks(x.state[k], gradient.blocks).elements;
      all = in_blocks.state[k].defined();
    }
  }
  if (all) {
    x = std::move(in_blocks);
  }
  return all;
}

bool has_blocks(const UpdateOperand& x) {
  bool has = false;
  for_each_tensor(x, [&](const Tensor& t) { has = has || may_be_blocked(t); });
  return has;
}

}  // namespace

void in_one_order(std::span<const UpdateOperand> operands,
                  FunctionRef<void(std::span<const UpdateOperand> ordered)> run) {
  if (std::none_of(operands.begin(), operands.end(), has_blocks)) {
    run(operands);
    return;
  }
  std::vector<UpdateOperand> ordered(operands.begin(), operands.end());
  for (UpdateOperand& x : ordered) {
    if (!bring_in_blocks(x)) {
      // Row-major from now on, made here and not by all tasks at once.
      for_each_tensor(x, [](const Tensor& t) { t.mutable_data_ptr(); });
    }
  }
  run(ordered);
}

void in_float32(const UpdateRange& range, FunctionRef<void(const UpdatePiece<float>&)> run) {
  constexpr std::size_t kMost = 2048;  // elements at a time: 40 KiB of this thread's stack
  std::array<std::array<float, kMost>, 2 + kUpdateStates> memory;
  const UpdatePiece<BFloat16> from = piece_of<BFloat16>(range);
  for (std::size_t i = 0; i < from.n; i += kMost) {
    const std::size_t n = std::min(kMost, from.n - i);
    UpdatePiece<float> piece{memory[0].data(), memory[1].data(), {}, n};
    std::copy_n(from.p + i, n, memory[0].data());
    std::copy_n(from.g + i, n, memory[1].data());
    for (std::size_t k = 0; k < kUpdateStates; ++k) {
      if (from.s[k] != nullptr) {
        piece.s[k] = memory[2 + k].data();
        std::copy_n(from.s[k] + i, n, piece.s[k]);
      }
    }
    run(piece);
    std::copy_n(piece.p, n, from.p + i);
    for (std::size_t k = 0; k < kUpdateStates; ++k) {
      if (from.s[k] != nullptr) {
        std::copy_n(piece.s[k], n, from.s[k] + i);
      }
    }
  }
}

void for_each_range(std::span<const UpdateOperand> operands, FunctionRef<void(const UpdateRange&)> run) {
  const Tasks tasks = cut(operands);
  parallel_for(static_cast<std::int64_t>(tasks.ends.size()), [&](std::int64_t i) {
    const auto task = static_cast<std::size_t>(i);
    for (std::size_t k = task == 0 ? 0 : tasks.ends[task - 1]; k < tasks.ends[task]; ++k) {
      run(tasks.ranges[k]);
    }
  });
}

}  // namespace backflow::kernels
