#include <backflow/train/evaluation.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/train/batch_step.h>

namespace backflow::train {
namespace {

/// What the task measures: for a GAN the scores of samples and of as many that the generator makes.
Tensor output_of(const Model& model, const Batch& batch, std::int64_t number) {
  if (model.generator == nullptr) {
    return model.forward(batch.x);
  }
  manual_seed(static_cast<std::uint64_t>(number));
  return cat({model.judge(batch.x), model.judge(model.sample(batch.size()))}, 0);
}

BatchMeasure measure(const Task& task, const Model& model, const Batch& batch, std::int64_t number) {
  const Tensor output = output_of(model, batch, number);
  const Tensor loss = model.loss_sum ? model.loss_sum(batch.x, batch.target) : task.loss_sum(output, batch);
  return task.measure(output, batch, loss.item<double>());
}

/// The model evaluates while this lives, and then trains again.
class Evaluating {
 public:
  explicit Evaluating(nn::Module& module) : module_(module) { module_.eval(); }
  ~Evaluating() { module_.train(); }
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

 private:
  nn::Module& module_;
};

/// Sums of all batches over the ranks, each of which has some: what others have is zero here, so sums are exact.
DataMeasure over_ranks(std::vector<std::pair<std::int64_t, BatchMeasure>> own, std::int64_t batches,
                       distributed::Communicator& world) {
  // Rank 0 has the first batch, and so knows the sizes.
  std::array<std::int64_t, 2> sizes = {};
  if (world.rank() == 0 && !own.empty()) {
    sizes = {std::ssize(own.front().second.parts), std::ssize(own.front().second.counts)};
  }
  world.all_reduce_sum(std::span(sizes));
  const auto width = static_cast<std::size_t>(sizes[0]);
  std::vector<double> parts(static_cast<std::size_t>(batches) * width);
  DataMeasure all{.parts = {}, .counts = std::vector<std::int64_t>(static_cast<std::size_t>(sizes[1]))};
  for (const auto& [number, measure] : own) {
    std::copy(measure.parts.begin(), measure.parts.end(),
              parts.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(number) * width));
    std::transform(measure.counts.begin(), measure.counts.end(), all.counts.begin(), all.counts.begin(), std::plus<>());
  }
  world.all_reduce_sum(std::span(parts));
  world.all_reduce_sum(std::span(all.counts));
  for (std::size_t b = 0; b < static_cast<std::size_t>(batches); ++b) {
    const auto begin = parts.begin() + static_cast<std::ptrdiff_t>(b * width);
    all.parts.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(width));
  }
  return all;
}

}  // namespace

Evaluation evaluate(const Task& task, const Model& model, const BatchMaker& data, std::int64_t batch_size,
                    distributed::Communicator& world) {
  const NoGradGuard no_grad;
  const Evaluating evaluating(*model.module);
  const std::int64_t n = data.size();
  const std::int64_t batches = (n + batch_size - 1) / batch_size;
  std::vector<std::pair<std::int64_t, BatchMeasure>> own;
  for (std::int64_t b = world.rank(); b < batches; b += world.size()) {
    std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min(batch_size, n - b * batch_size)));
    std::iota(indices.begin(), indices.end(), b * batch_size);
    own.emplace_back(b, measure(task, model, data.make(indices), b));
  }
  DataMeasure all = over_ranks(std::move(own), batches, world);
  all.samples = n;
  return task.summary(all);
}

}  // namespace backflow::train
