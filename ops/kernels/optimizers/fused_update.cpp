#include <backflow/ops/kernels/optimizers/fused_update.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <backflow/ops/kernels/layout/blocked.h>

namespace backflow::kernels {
namespace {

constexpr std::int64_t kChunk = 32 * 1024;  // elements of one task; several small parameters share one

/// The operands' elements in tasks: the ranges of task i are those from ends[i - 1] to ends[i].
struct Tasks {
  std::vector<UpdateRange> ranges;
  std::vector<std::size_t> ends;
};

Tasks cut(std::span<const UpdateOperand> operands) {
  Tasks tasks;
  tasks.ranges.reserve(operands.size());
  std::int64_t room = kChunk;
  for (const UpdateOperand& operand : operands) {
    const std::int64_t numel = operand.parameter.numel();
    for (std::int64_t begin = 0; begin < numel;) {
      const std::int64_t n = std::min(room, numel - begin);
      tasks.ranges.push_back({&operand, begin, n});
      begin += n;
      room -= n;
      if (room == 0) {
        tasks.ends.push_back(tasks.ranges.size());
        room = kChunk;
      }
    }
  }
  if (room != kChunk) {
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
  const UpdatePiece<BFloat16> from = piece_of<BFloat16>(range);
  std::vector<float> memory((2 + kUpdateStates) * from.n);
  float* const p = memory.data();
  float* const g = p + from.n;
  UpdatePiece<float> piece{p, g, {}, from.n};
  std::copy_n(from.p, from.n, p);
  std::copy_n(from.g, from.n, g);
  for (std::size_t k = 0; k < kUpdateStates; ++k) {
    if (from.s[k] != nullptr) {
      piece.s[k] = g + (k + 1) * from.n;
      std::copy_n(from.s[k], from.n, piece.s[k]);
    }
  }
  run(piece);
  std::copy_n(p, from.n, from.p);
  for (std::size_t k = 0; k < kUpdateStates; ++k) {
    if (from.s[k] != nullptr) {
      std::copy_n(piece.s[k], from.n, from.s[k]);
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
