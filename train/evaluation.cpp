#include <backflow/train/evaluation.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::train {
namespace {

/// Rows whose largest score is at the target's index; of equal scores the first counts.
std::int64_t count_correct(const Tensor& scores, const Tensor& target) {
  const Tensor rows = contiguous(scores);
  const std::int64_t n = rows.size(1);
  std::int64_t correct = 0;
  dispatch_floating(rows.scalar_type(), "accuracy", [&](auto zero) {
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
      const auto* row = rows.const_data_ptr<decltype(zero)>() + i * n;
      correct += std::max_element(row, row + n) - row == target.const_data_ptr<std::int64_t>()[i];
    }
  });
  return correct;
}

}  // namespace

Evaluation evaluate(const Model& model, const BatchMaker& data, std::int64_t batch_size,
                    distributed::Communicator& world) {
  const NoGradGuard no_grad;
  model.module->eval();
  const std::int64_t n = data.size();
  const std::int64_t batches = (n + batch_size - 1) / batch_size;
  // Loss and hits of every batch; those of other ranks are zero here, so that the sum over the ranks is exact.
  std::vector<double> sums(static_cast<std::size_t>(2 * batches), 0.0);
  for (std::int64_t b = world.rank(); b < batches; b += world.size()) {
    std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min(batch_size, n - b * batch_size)));
    std::iota(indices.begin(), indices.end(), b * batch_size);
    const Batch batch = data.make(indices);
    const Tensor scores = model.forward(batch.x);
    const Tensor loss = cross_entropy_loss(scores, batch.target, {}, Reduction::Sum);
    sums[static_cast<std::size_t>(2 * b)] = loss.item<double>();
    sums[static_cast<std::size_t>(2 * b + 1)] = static_cast<double>(count_correct(scores, batch.target));
  }
  world.all_reduce_sum(std::span(sums));
  Evaluation result;
  for (std::size_t b = 0; b < sums.size(); b += 2) {
    result.loss += sums[b];
    result.accuracy += sums[b + 1];
  }
  result.loss /= static_cast<double>(n);
  result.accuracy /= static_cast<double>(n);
  model.module->train();
  return result;
}

}  // namespace backflow::train
