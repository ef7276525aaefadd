#include <backflow/distributed/sharded_step.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/ops/autograd/checkpoint.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/parallel.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/forwarding_communicator.h>
#include <backflow/tests/distributed/shard_trainee.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/error_of.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

std::shared_ptr<Communicator> alone() { return std::make_shared<NullCommunicator>(); }

double difference(const Tensor& a, const Tensor& b) { return distance(array_of(a.detach()), array_of(b.detach())); }

std::vector<ShardedStepOptions> option_sets() {
  std::vector<ShardedStepOptions> sets;
  for (const int shards : {4, 6, 8}) {
    if (shards % world()->size() == 0) {
      sets.push_back({.shards = shards});
      sets.push_back({.shards = shards, .micro_batches = 3, .clip_grad_norm = 0.5, .check_gradients = true});
    }
  }
  return sets;
}

/// One that adds what the ranks have in their order, as a reduction that does not know the tree.
class RankOrder final : public ForwardingCommunicator {
 public:
  using ForwardingCommunicator::ForwardingCommunicator;

  void tree_sum_async(const Tensor& nodes, int, const Tensor& sum, std::int64_t, Completion done) override {
    const Tensor own = nodes.sum(0);
    const Tensor all = zeros({size(), sum.numel()}, TensorOptions().dtype(sum.scalar_type()));
    all[rank()].copy_(own);
    inner().all_reduce_sum(all);
    Tensor total = all[0].clone();
    for (int r = 1; r < size(); ++r) {
      total.add_(all[r]);
    }
    sum.copy_(total);
    done(nullptr);
  }
};

}  // namespace

TEST_CASE("sharded step: the bits of one rank on any number of ranks and threads, on any engine", "[sharded]") {
  for (const ShardedStepOptions& options : option_sets()) {
    INFO(options.shards << " shards, " << options.micro_batches << " micro-batches, " << world()->size() << " ranks");
    const Threads one(1);
    const ShardedRun expected = train_sharded(alone(), options);
    for (const int n : {1, 2, 4}) {
      const Threads threads(n);
      for (const auto& engine : engines(n)) {
        const EngineGuard guard(*engine);
        INFO("engine " << engine->name() << ", " << n << " threads");
        CHECK(train_sharded(world(), options) == expected);
      }
    }
  }
}

TEST_CASE("sharded step: a sum in the order of the ranks has other bits", "[sharded]") {
  for (const int shards : {4, 6, 8}) {
    // Of few ranks with one subtree each, either order is the tree's.
    const int ranks = world()->size();
    const bool is_other = shards % ranks == 0 && (ranks > 2 || (ranks == 2 && shards == 6));
    if (is_other) {
      const ShardedStepOptions options{.shards = shards};
      CHECK_FALSE(train_sharded(std::make_shared<RankOrder>(world()), options) == train_sharded(alone(), options));
    }
  }
}

TEST_CASE("sharded step: one shard is a plain step", "[sharded]") {
  ShardedLeNet sharded(kFloat64);
  ShardedLeNet plain(kFloat64);
  for (ShardedLeNet* model : {&sharded, &plain}) {
    model->body->ptr(8)->eval();  // whose random numbers have another seed
  }
  const ShardedRun run = train_sharded(sharded, [&](const Tensor& x) { return sharded.forward(x); }, alone(),
                                       {.shards = 1}, kFloat64, {20, 20});
  optim::Adam optimizer(plain.parameters(), optim::AdamOptions(0.003));
  for (int t = 0; t < 2; ++t) {
    plain.zero_grad();
    const Tensor error = plain.forward(random_tensor({20, 1, 8, 8}, to_text("x", t), kFloat64)) -
                         random_tensor({20, 5}, to_text("target", t), kFloat64);
    const Tensor loss = (error * error).sum() / 20;
    CHECK(loss.item<double>() == run.losses[static_cast<std::size_t>(2 * t)]);
    loss.backward();
    optimizer.step();
  }
  CHECK(bitwise_equal(plain.parameters(), sharded.parameters()));
  const auto expected = plain.buffers();
  const auto buffers = sharded.buffers();
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    CHECK(difference(buffers[i], expected[i]) <= 1e-14);
  }
}

TEST_CASE("sharded step: losses and gradients are those of the whole batch", "[sharded]") {
  if (8 % world()->size() != 0) {
    return;
  }
  const auto whole_batch = [](int shards, const std::shared_ptr<Communicator>& ranks) {
    ShardedLeNet model(kFloat64);
    model.eval();
    return train_sharded(model, [&](const Tensor& x) { return model.forward(x); }, ranks, {.shards = shards}, kFloat64,
                         {235});
  };
  const ShardedRun expected = whole_batch(1, alone());
  const ShardedRun run = whole_batch(8, world());
  CHECK(std::abs(run.losses[0] - expected.losses[0]) <= 1e-14 * std::abs(expected.losses[0]));
  for (std::size_t i = 0; i < ShardedLeNet().parameters().size(); ++i) {
    CHECK(difference(run.tensors[i], expected.tensors[i]) <= 1e-14);
  }
}

TEST_CASE("sharded step: running statistics are weighted means of the shards', and the step counts once", "[sharded]") {
  ShardedLeNet model(kFloat64);
  ShardedLeNet reference(kFloat64);
  const std::int64_t n = 11;
  train_sharded(model, [&](const Tensor& x) { return model.forward(x); }, alone(), {.shards = 4, .micro_batches = 1},
                kFloat64, {n});
  // The first layer's input does not depend on random numbers.
  const Tensor x = random_tensor({n, 1, 8, 8}, "x0", kFloat64);
  const std::vector<Tensor> before = reference.buffers();
  Tensor mean = zeros_like(before[0]);
  Tensor variance = zeros_like(before[1]);
  for (int s = 0; s < 4; ++s) {
    const Shard shard = samples_of_shard(n, s, 4);
    ShardedLeNet part(kFloat64);
    part.forward(x.slice(0, shard.begin, shard.end));
    mean = mean + part.buffers()[0] * static_cast<double>(shard.n());
    variance = variance + part.buffers()[1] * static_cast<double>(shard.n());
  }
  CHECK(difference(model.buffers()[0], mean / static_cast<double>(n)) <= 1e-14);
  CHECK(difference(model.buffers()[1], variance / static_cast<double>(n)) <= 1e-14);
  CHECK(model.buffers()[2].item<std::int64_t>() == 1);
}

TEST_CASE("sharded step: frozen statistics and parameters without a use stay as they are", "[sharded]") {
  if (4 % world()->size() != 0) {
    return;
  }
  ShardedLeNet model;
  model.body->ptr(1)->eval();
  const Tensor unused = model.register_parameter("unused", filled({3}, 2));
  const Tensor frozen = model.register_parameter("frozen", filled({3}, 3), false);
  const auto buffers = model.buffers();
  buffers[0].fill_(0.1);
  const ShardedRun run =
      train_sharded(model, [&](const Tensor& x) { return model.forward(x) + frozen.sum(); }, world(), {.shards = 4});
  CHECK(all_equal(buffers[0], 0.1F));
  CHECK(buffers[2].item<std::int64_t>() == 0);
  CHECK(buffers[5].item<std::int64_t>() == std::ssize(kBatches));
  CHECK(all_equal(unused.detach(), 2));
  CHECK_FALSE(unused.grad().defined());
}

TEST_CASE("sharded step: a parameter that one shard alone uses, and a gradient of -0", "[sharded]") {
  if (4 % world()->size() != 0) {
    return;
  }
  for (int user = 0; user < 4; ++user) {
    const auto run = [&](const std::shared_ptr<Communicator>& ranks) {
      ShardedLeNet model;
      const Tensor p = model.register_parameter("p", filled({2}, 1));
      optim::Adam optimizer(model.parameters());
      ShardedStep step(model, optimizer, ranks, {.shards = 4, .keep_gradients = true});
      step.run(0, 8, [&](const Shard& shard) {
        const Tensor y = model.forward(filled({shard.n(), 1, 8, 8}, shard.index)).sum();
        return shard.index == user ? y + (p * filled({2}, -0.0)).sum() : y;
      });
      return p.grad().detach().clone();
    };
    CHECK(std::signbit(run(alone()).data_ptr<float>()[0]));
    CHECK(bitwise_equal(run(world()), run(alone())));
  }
}

TEST_CASE("sharded step: closures, checkpoints and gradients of gradients in a shard", "[sharded]") {
  if (4 % world()->size() != 0) {
    return;
  }
  const auto run = [](const std::shared_ptr<Communicator>& ranks) {
    ShardedLeNet model;
    const auto& body = model.body;
    return train_sharded(model,
                         [&](const Tensor& x) {
                           const auto parts =
                               parallel([&] { return dropout(x, 0.1, true); }, [&] { return dropout(x, 0.2, true); });
                           const Tensor w = model.parameters()[0];
                           const Tensor penalty = autograd::grad({(w * w * w).sum()}, {w}, {}, true, true)[0].sum();
                           const auto segment = [w](const std::vector<Tensor>& in) {
                             return std::vector{dropout(in[0] * w.sum(), 0.5, true)};
                           };
                           const Tensor again = checkpoint(segment, {std::get<0>(parts)})[0];
                           return body->forward(again + std::get<1>(parts)) + penalty;
                         },
                         ranks, {.shards = 4}, kFloat32, {32, 30});
  };
  const Threads one(1);
  const ShardedRun expected = run(alone());
  const Threads two(2);
  CHECK(run(world()) == expected);
}

TEST_CASE("sharded step: gradients that come from outside of the shards are an Error", "[sharded]") {
  ShardedLeNet model;
  optim::Adam optimizer(model.parameters());
  ShardedStep step(model, optimizer, alone(), {.shards = 2});
  const Tensor outside = model.parameters()[0].sum();
  const std::string error = error_of([&] {
    step.run(0, 4, [&](const Shard& shard) {
      return model.forward(filled({shard.n(), 1, 8, 8}, 1)).sum() + outside * static_cast<double>(shard.index);
    });
  });
  CHECK(error.find("got a gradient that is no shard's") != std::string::npos);
}

TEST_CASE("sharded step: a failure in a shard's forward leaves the model as it was", "[sharded]") {
  ShardedLeNet model;
  optim::Adam optimizer(model.parameters());
  const std::vector<Tensor> before = model.buffers();
  std::vector<Tensor> copies;
  for (const Tensor& x : before) {
    copies.push_back(x.clone());
  }
  ShardedStep step(model, optimizer, alone(), {.shards = 2});
  const auto failing = [&](const Shard& shard) {
    const Tensor y = model.forward(filled({shard.n(), 1, 8, 8}, 1)).sum();
    check(shard.index == 0, "the second shard fails");
    return y;
  };
  CHECK(error_of([&] { step.run(0, 4, failing); }) == "the second shard fails");
  CHECK(bitwise_equal(model.buffers(), copies));
  model.forward(filled({4, 1, 8, 8}, 1)).sum().backward();
  CHECK(model.parameters()[0].grad().defined());
}

TEST_CASE("sharded step: gradients that are not finite change nothing, and name the parameter", "[sharded]") {
  ShardedLeNet model;
  optim::Adam optimizer(model.parameters());
  ShardedStep step(model, optimizer, alone(), {.shards = 2, .check_gradients = true});
  const Tensor before = model.parameters()[0].detach().clone();
  const std::string error = error_of([&] {
    step.run(0, 4, [&](const Shard& shard) {
      return model.forward(filled({shard.n(), 1, 8, 8}, 1)).sum() * std::numeric_limits<double>::infinity();
    });
  });
  CHECK(error.find("training step: the gradient of body.0.weight f32[6, 1, 3, 3] has elements that are NaN") == 0);
  CHECK(bitwise_equal(model.parameters()[0].detach(), before));
}

TEST_CASE("sharded step: mistakes", "[sharded]") {
  ShardedLeNet model;
  optim::Adam optimizer(model.parameters());
  const auto make = [&](const ShardedStepOptions& options, const std::shared_ptr<Communicator>& ranks) {
    return error_of([&] { ShardedStep(model, optimizer, ranks, options); });
  };
  const auto of_four = std::make_shared<FakeCommunicator>(1, 4);
  CHECK(make({.shards = 6}, of_four) == "shards: 6 shards on 4 ranks: need a number of ranks that divides the shards");
  CHECK(make({.shards = 0}, alone()).find("0 shards on 1 rank") != std::string::npos);
  CHECK(make({.micro_batches = 0}, alone()) == "sharded step: micro_batches 0: need 1 or more");

  class Different final : public ForwardingCommunicator {
   public:
    using ForwardingCommunicator::ForwardingCommunicator;
    std::vector<std::string> all_gather(const std::string& text) override {
      return {text, text.find("oneDNN") == 0 ? "oneDNN avx2 with Highway AVX2" : text};
    }
  };
  const std::string error = make({}, std::make_shared<Different>(alone()));
  CHECK(error.find("sharded step: instruction sets: oneDNN ") == 0);
  CHECK(error.find(" on rank 0, oneDNN avx2 with Highway AVX2 on rank 1: need the same") != std::string::npos);

  const Tensor other = parameter({2});
  optim::Adam foreign(std::vector<Tensor>{other});
  CHECK(error_of([&] { ShardedStep(model, foreign, alone(), {}); }) ==
        "sharded step: 1 of 1 parameters of the optimizer are not in the model: need all of them there");
  ShardedStep step(model, optimizer, alone(), {});
  CHECK(error_of([&] { step.run(0, 0, [](const Shard&) { return Tensor(); }); }) ==
        "sharded step: 0 samples: need 1 or more");
}
