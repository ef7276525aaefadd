// Fast reduction: what several ranks compute with parts of a batch is what one computes with all of it, up to rounding.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/data_parallel.h>
#include <backflow/distributed/null_communicator.h>
#include <backflow/distributed/sampler.h>
#include <backflow/distributed/training_step.h>
#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/pooling.h>
#include <backflow/nn/optim/adam.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

constexpr std::int64_t kSamples = 1003;
constexpr std::int64_t kClasses = 5;

/// A small LeNet on 1,003 samples, trained on the parts of the batches that `ranks` gives to this rank.
struct Learner {
  Learner(ScalarType dtype, std::int64_t batch_size, const std::shared_ptr<Communicator>& ranks)
      : world(ranks),
        images(random_tensor({kSamples, 1, 8, 8}, "images", dtype)),
        targets(empty_tensor(kSamples, kInt64)),
        sampler({.dataset_size = kSamples,
                 .batch_size = batch_size,
                 .seed = 3,
                 .rank = ranks->rank(),
                 .size = ranks->size()}) {
    for (std::int64_t i = 0; i < kSamples; ++i) {
      targets.data_ptr<std::int64_t>()[i] = (i * i + i / 7) % kClasses;
    }
    body->to(dtype);
    const NoGradGuard guard;
    for (const auto& p : body->named_parameters()) {
      p.value().copy_(random_tensor({p.value().sizes().begin(), p.value().sizes().end()}, p.key(), dtype, -0.3, 0.3));
    }
  }

  LocalBatch batch(std::int64_t step) const {
    return sampler.batch(step / sampler.steps_per_epoch(), step % sampler.steps_per_epoch());
  }

  Tensor loss(const LocalBatch& batch) const {
    const Tensor rows = empty_tensor(batch.local_n(), kInt64);
    std::copy(batch.indices.begin(), batch.indices.end(), rows.data_ptr<std::int64_t>());
    return cross_entropy_loss(body->forward(images.index_select(0, rows)), targets.index_select(0, rows), {},
                              Reduction::Sum) /
           static_cast<double>(batch.global_n);
  }

  std::vector<Tensor> parameters() const { return body->parameters(); }

  std::shared_ptr<Communicator> world;
  Tensor images;
  Tensor targets;
  ShardedSampler sampler;
  nn::Sequential body{nn::Conv2d(nn::Conv2dOptions(1, 6, 3).padding(1)),
                      nn::ReLU(),
                      nn::MaxPool2d(2),
                      nn::Conv2d(nn::Conv2dOptions(6, 12, 3)),
                      nn::ReLU(),
                      nn::Flatten(),
                      nn::Linear(12 * 2 * 2, 20),
                      nn::ReLU(),
                      nn::Linear(20, kClasses)};
};

std::shared_ptr<Communicator> alone() { return std::make_shared<NullCommunicator>(); }

double distance_of(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, distance(array_of(a[i].detach()), array_of(b[i].detach())));
  }
  return largest;
}

enum class Method { Momentum, Adam };

std::vector<Tensor> trained(Learner& learner, Method method, int steps) {
  std::unique_ptr<optim::Optimizer> optimizer;
  if (method == Method::Adam) {
    optimizer = std::make_unique<optim::Adam>(learner.parameters(), optim::AdamOptions(0.001));
  } else {
    optimizer = std::make_unique<optim::SGD>(learner.parameters(), optim::SGDOptions(0.05).momentum(0.9));
  }
  DataParallel parallel(learner.parameters(), learner.world, {.limits = {4000, 16'000}, .names = {}});
  TrainingStep step(parallel, *optimizer, {.clip_grad_norm = 1});
  for (int i = 0; i < steps; ++i) {
    parallel.zero_grad();
    const LocalBatch batch = learner.batch(i);
    if (batch.local_n() > 0) {
      step.backward(learner.loss(batch));
    } else {
      step.reduce_now();
    }
  }
  return learner.parameters();
}

void check_training(ScalarType dtype, int steps, double tolerance) {
  for (const Method method : {Method::Momentum, Method::Adam}) {
    INFO((method == Method::Adam ? "Adam" : "momentum") << ", " << steps << " steps");
    Learner whole(dtype, 64, alone());
    Learner parts(dtype, 64, world());
    const double found = distance_of(trained(parts, method, steps), trained(whole, method, steps));
    CHECK(found <= tolerance);
  }
}

}  // namespace

TEST_CASE("equivalence: 100 steps in float64 on several ranks are those of one to 1e-12", "[equivalence]") {
  check_training(kFloat64, 100, 1e-12);
}

TEST_CASE("equivalence: 20 steps in float32 on several ranks are those of one to 1e-5", "[equivalence]") {
  check_training(kFloat32, 20, 1e-5);
}

TEST_CASE("equivalence: gradients of uneven batches on several ranks are those of one", "[equivalence]") {
  // Of 1,003 samples, batches of 64 leave 43, batches of 256 leave 235, and batches of 77 always differ by a sample.
  for (const std::int64_t size : {64, 256, 77, 1002}) {
    Learner whole(kFloat64, size, alone());
    Learner parts(kFloat64, size, world());
    DataParallel parallel(parts.parameters(), world());
    for (std::int64_t step = 0; step < parts.sampler.steps_per_epoch(); ++step) {
      whole.body->zero_grad();
      whole.loss(whole.batch(step)).backward();
      parallel.zero_grad();
      const LocalBatch batch = parts.batch(step);
      if (batch.local_n() == 0) {
        parallel.reduce_now();
      } else {
        parallel.begin_backward();
        const std::vector<PassTask> reductions = parallel.reductions();
        autograd::backward({parts.loss(batch)}, {}, {.tasks = reductions});
      }
      INFO("batches of " << size << ", step " << step << ", " << batch.local_n() << " samples here");
      for (std::size_t i = 0; i < parts.parameters().size(); ++i) {
        const double found = distance(array_of(parts.parameters()[i].grad()), array_of(whole.parameters()[i].grad()));
        CHECK(found <= 1e-14);
      }
    }
  }
}
