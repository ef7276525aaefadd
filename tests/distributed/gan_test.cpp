// Two models in one program, each with an optimizer and a DataParallel of its own, of which one is trained through the
// other.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <backflow/distributed/null_communicator.h>
#include <backflow/distributed/training_step.h>
#include <backflow/nn/models.h>
#include <backflow/nn/optim/adam.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/distributed/trainee.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

constexpr std::int64_t kSamples = 26;  // of the global batch; 3 and 4 ranks get unequal parts
constexpr int kSteps = 20;

/// What keeps the gradients of the generator's pass out of the discriminator's own: it takes none, or they are dropped.
enum class Apart { Frozen, Dropped };
/// Updates within backward, or backward and then the optimizer.
enum class Way { TrainingStep, Separate };

struct Player {
  nn::MLP model;
  DataParallel parallel;
  optim::Adam optimizer;
  TrainingStep step;
  Way way;

  Player(const nn::MLP& made, const std::shared_ptr<Communicator>& ranks, Way how)
      : model(made),
        parallel(Trainee::filled(model, kFloat64), ranks, {.limits = {2000, 4000}}),
        optimizer(model->parameters(), optim::AdamOptions(0.01).betas({0.5, 0.9})),
        step(parallel, optimizer),
        way(how) {}

  void train(const Tensor& loss) {
    if (way == Way::TrainingStep) {
      step.backward(loss);
      return;
    }
    parallel.begin_backward();
    const std::vector<PassTask> tasks = parallel.reductions();
    autograd::backward({loss}, {}, {.tasks = tasks});
    optimizer.step();
  }

  void set_requires_grad(bool value) {
    for (const Tensor& p : model->parameters()) {
      p.set_requires_grad(value);
    }
  }
};

/// A generator of points from noise and a discriminator, trained by turns on this rank's part of each batch.
struct Gan {
  std::shared_ptr<Communicator> ranks;
  Player generator;
  Player discriminator;

  Gan(const std::shared_ptr<Communicator>& all, Way way)
      : ranks(all), generator(nn::MLP(5, 40, 20, 3), all, way), discriminator(nn::MLP(3, 50, 10, 1), all, way) {}

  Tensor part(const std::string& key, std::int64_t columns) const {
    const Tensor all = random_tensor({kSamples, columns}, key, kFloat64);
    return all.slice(0, ranks->rank(), kSamples, ranks->size());
  }

  static Tensor loss(const Tensor& y, double want) { return ((y - want) * (y - want)).sum() / double{kSamples}; }

  void step(int i, Apart apart) {
    const Tensor real = part(to_text("real", i), 3);
    const Tensor noise = part(to_text("noise", i), 5);
    const Tensor fake = generator.model(noise);

    discriminator.parallel.zero_grad();
    discriminator.train(loss(discriminator.model(real), 1) + loss(discriminator.model(fake.detach()), 0));

    generator.parallel.zero_grad();
    if (apart == Apart::Frozen) {
      discriminator.set_requires_grad(false);
    }
    generator.train(loss(discriminator.model(fake), 1));
    discriminator.set_requires_grad(true);
  }

  std::vector<double> parameters() const {
    std::vector<double> all;
    for (const Player* player : {&generator, &discriminator}) {
      for (const Tensor& p : player->parallel.parameters()) {
        const std::vector<double> own = values(p);
        all.insert(all.end(), own.begin(), own.end());
      }
    }
    return all;
  }
};

std::vector<double> trained(const std::shared_ptr<Communicator>& ranks, Way way, Apart apart) {
  Gan gan(ranks, way);
  for (int i = 0; i < kSteps; ++i) {
    gan.step(i, apart);
  }
  return gan.parameters();
}

std::string bits_of(const std::vector<double>& x) {
  return {reinterpret_cast<const char*>(x.data()), x.size() * sizeof(double)};
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a[i] - b[i]));
  }
  return largest;
}

}  // namespace

TEST_CASE("gan: two models learn on several ranks what they learn on one", "[gan]") {
  for (const Way way : {Way::TrainingStep, Way::Separate}) {
    for (const Apart apart : {Apart::Frozen, Apart::Dropped}) {
      INFO("training step: " << (way == Way::TrainingStep) << ", frozen: " << (apart == Apart::Frozen));
      const std::vector<double> ours = trained(world(), way, apart);
      const std::vector<double> alone = trained(std::make_shared<NullCommunicator>(), way, apart);
      REQUIRE(ours.size() == alone.size());
      CHECK(largest_difference(ours, alone) < 1e-12);
      const std::vector<std::string> all = world()->all_gather(bits_of(ours));
      CHECK(std::count(all.begin(), all.end(), all[0]) == world()->size());
    }
  }
}

TEST_CASE("gan: buckets of two models never meet", "[gan]") {
  if (world()->size() == 1) {
    return;
  }
  const Tensor a = parameter({10});
  const Tensor b = parameter({10});
  DataParallel first({a}, world());
  DataParallel second({b}, world());
  receive_gradient(a, 1);
  receive_gradient(b, 2);
  // Of the same size, in another order on rank 0: an error everywhere, where sums of a and b would be wrong.
  DataParallel& one = world()->rank() == 0 ? first : second;
  DataParallel& other = world()->rank() == 0 ? second : first;
  CHECK_THROWS_WITH(one.reduce_now(), ContainsSubstring("ranks disagree"));
  CHECK_THROWS_WITH(other.reduce_now(), ContainsSubstring("ranks disagree"));
  one.zero_grad();
  other.zero_grad();
  receive_gradient(a, 1);
  receive_gradient(b, 2);
  first.reduce_now();
  second.reduce_now();
  CHECK(all_equal(a.grad(), world()->size()));
  CHECK(all_equal(b.grad(), 2 * world()->size()));
}

TEST_CASE("gan: freezing one model while the other is trained plans no new buckets", "[gan]") {
  Gan gan(world(), Way::TrainingStep);
  gan.step(0, Apart::Frozen);
  gan.step(1, Apart::Frozen);
  const std::int64_t generator = gan.generator.parallel.plan_number();
  const std::int64_t discriminator = gan.discriminator.parallel.plan_number();
  for (int i = 2; i < 150; ++i) {  // more than the passes between two looks at the order
    gan.step(i, Apart::Frozen);
  }
  CHECK(gan.generator.parallel.plan_number() == generator);
  CHECK(gan.discriminator.parallel.plan_number() == discriminator);
}
