// Operators along few long lines: enough tasks for 64 threads, and the same numbers as in plain loops.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/threads/observed_work.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/cuts.h>
#include <backflow/tests/support/engines.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Tensors = std::vector<Tensor>;
using Call = std::function<Tensor(const Tensors&)>;

/// The most tasks of a loop.
class MostTasks final : public WorkObserver {
 public:
  void begin_loop(std::int64_t tasks) override { most = std::max(most, tasks); }
  void begin_graph(std::span<const std::vector<std::uint32_t>>) override {}
  void begin_task(std::size_t) override {}
  void end_task() override {}
  void end() override {}
  std::int64_t most = 0;
};

template <class F>
std::int64_t tasks_of(const F& f) {
  MostTasks observer;
  const ObservedWork guard(observer, 64);
  f();
  return observer.most;
}

Tensor leaf(const std::vector<std::int64_t>& sizes, const char* name, ScalarType dtype = kFloat32) {
  return random_tensor(sizes, name, dtype).set_requires_grad(true);
}

/// Checks that forward and backward have loops of 16 tasks at least.
void check_tasks(const std::string& name, const Tensors& x, const Call& call) {
  CAPTURE(name);
  Tensor y;
  CHECK(tasks_of([&] { y = call(x); }) >= 16);
  if (!y.requires_grad()) {
    return;
  }
  Tensors inputs;
  std::copy_if(x.begin(), x.end(), std::back_inserter(inputs), [](const Tensor& t) { return t.requires_grad(); });
  const Tensor dy = random_tensor(y.sizes().vec(), "dy", y.scalar_type());
  CHECK(tasks_of([&] { autograd::grad({y}, inputs, {dy}); }) >= 16);
}

Tensor classes(std::vector<std::int64_t> values) { return tensor(std::move(values)); }

/// e^x and their sum in float64, of a row.
std::vector<double> softmax_of(const float* x, std::size_t n) {
  const double largest = *std::max_element(x, x + n);
  std::vector<double> y(n);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    sum += y[i] = std::exp(static_cast<double>(x[i]) - largest);
  }
  for (double& v : y) {
    v /= sum;
  }
  return y;
}

constexpr std::int64_t kRow = 20'011;

/// Rows of numbers whose pieces differ widely; of the second most are infinitely small.
Tensor long_rows() {
  Tensor x = random_tensor({3, kRow}, "x") * 5;
  float* const data = x.data_ptr<float>();
  for (std::int64_t i = 0; i < kRow; ++i) {
    data[i] -= static_cast<float>(i / 4096 * 30);
    data[kRow + i] = i / 4096 == 2 ? data[kRow + i] : -std::numeric_limits<float>::infinity();
  }
  return x;
}

}  // namespace

TEST_CASE("long lines: 64 threads have enough to do") {
  const Tensor x = leaf({8, 50'000}, "x");
  const Tensor t = classes({1, 49'999, 7, 25'000, -100, 3, 4, 5});
  check_tasks("softmax", {x}, [](const Tensors& a) { return softmax(a[0], 1); });
  check_tasks("log_softmax", {x}, [](const Tensors& a) { return log_softmax(a[0], -1); });
  check_tasks("cross_entropy_loss", {x, t}, [](const Tensors& a) { return cross_entropy_loss(a[0], a[1]); });
  check_tasks("cross_entropy_loss, smoothed", {x, t},
              [](const Tensors& a) { return cross_entropy_loss(a[0], a[1], {}, 1, -100, 0.1); });
  check_tasks("norm", {x}, [](const Tensors& a) { return norm(a[0], 2, {1}); });
  check_tasks("logsumexp", {x}, [](const Tensors& a) { return logsumexp(a[0], {1}); });
  check_tasks("var", {x}, [](const Tensors& a) { return var(a[0], {1}, true); });
  check_tasks("cumsum", {x}, [](const Tensors& a) { return cumsum(a[0], 1); });
  check_tasks("argmax", {x.detach()}, [](const Tensors& a) { return argmax(a[0], 1); });
  check_tasks("max", {x}, [](const Tensors& a) { return std::get<0>(max(a[0], 1)); });
  check_tasks("topk", {x}, [](const Tensors& a) { return std::get<0>(topk(a[0], 50)); });
  check_tasks("layer_norm", {leaf({4, 100'000}, "x"), leaf({100'000}, "w"), leaf({100'000}, "b")},
              [](const Tensors& a) { return layer_norm(a[0], {100'000}, a[1], a[2]); });
  check_tasks("batch_norm", {leaf({128, 1024}, "x"), leaf({1024}, "w"), leaf({1024}, "b")},
              [](const Tensors& a) { return batch_norm(a[0], a[1], a[2], {}, {}, true, 0.1, 1e-5, true); });
  check_tasks("conv2d of one image of float64",
              {leaf({1, 64, 32, 32}, "x", kFloat64), leaf({64, 64, 3, 3}, "w", kFloat64)},
              [](const Tensors& a) { return conv2d(a[0], a[1], {}, 1, 1); });
  const Tensors parts(40, random_tensor({8, 1024}, "part"));
  check_tasks("cat", parts, [](const Tensors& a) { return cat(a, 1); });
  check_tasks("stack", parts, [](const Tensors& a) { return stack(a, 1); });
}

TEST_CASE("long lines: softmax and cross entropy are those of plain loops") {
  const NoGradGuard guard;
  const Tensor x = long_rows();
  const Tensor y = softmax(x, 1);
  const Tensor log_y = log_softmax(x, 1);
  const Tensor targets = classes({17, 2 * 4096 + 5, 20'000});
  const Tensor losses = cross_entropy_loss(x, targets, {}, 0, -100, 0);
  for (std::int64_t row = 0; row < 3; ++row) {
    const std::vector<double> expected = softmax_of(x.const_data_ptr<float>() + row * kRow, kRow);
    double worst = 0;
    double worst_log = 0;
    for (std::int64_t i = 0; i < kRow; ++i) {
      const double e = expected[static_cast<std::size_t>(i)];
      worst = std::max(worst, std::abs(y.const_data_ptr<float>()[row * kRow + i] - e) / std::max(e, 1e-30));
      const double log_e = std::log(e);
      const double found = log_y.const_data_ptr<float>()[row * kRow + i];
      worst_log = std::max(worst_log, std::isfinite(log_e) && log_e > -80 ? std::abs(found - log_e) / (1 - log_e) : 0);
    }
    CAPTURE(row);
    CHECK(worst < 2e-5);
    CHECK(worst_log < 1e-6);
    const std::int64_t c = targets.const_data_ptr<std::int64_t>()[row];
    CHECK(losses.const_data_ptr<float>()[row] == Approx(-std::log(expected[static_cast<std::size_t>(c)])));
  }
}

TEST_CASE("long lines: a smoothed loss is that of its definition") {
  const Tensor x = (random_tensor({2, kRow}, "x") * 3).to(kFloat64).set_requires_grad(true);
  const Tensor targets = classes({8191, 8192});
  const Tensor loss = cross_entropy_loss(x, targets, {}, 1, -100, 0.2);
  const Tensor l = -log_softmax(x, 1);
  const Tensor expected = 0.8 * gather(l, 1, targets.view({2, 1})).mean() + 0.2 * l.mean();
  CHECK(loss.item<double>() == Approx(expected.item<double>()).epsilon(1e-12));
  const Tensor found = autograd::grad({loss}, {x})[0];
  const Tensor wanted = autograd::grad({expected}, {x})[0];
  CHECK((found - wanted).abs().max().item<double>() < 1e-15);
}

TEST_CASE("long lines: infinite numbers and NaN count as in short ones") {
  const NoGradGuard guard;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float special : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::int64_t at : {std::int64_t{0}, std::int64_t{9'000}, kRow - 1}) {
      Tensor x = random_tensor({1, kRow}, "x");
      x.data_ptr<float>()[at] = special;
      const Tensor y = softmax(x, 1);
      CAPTURE(special, at);
      if (std::isnan(special)) {
        CHECK(isnan(y).all().item<bool>());
      } else {
        CHECK(y.const_data_ptr<float>()[at] == (special > 0 ? 1.0F : 0.0F));
        CHECK(y.sum().item<float>() == Approx(1));
      }
    }
  }
  CHECK(isnan(softmax(full({1, kRow}, -kInfinity), 1)).all().item<bool>());
  CHECK(isnan(log_softmax(full({1, kRow}, kInfinity), 1)).all().item<bool>());
}

TEST_CASE("long lines: the same bits for all cuts") {
  const Threads threads(3);
  const Tensor x = long_rows();
  Tensor special = long_rows();
  special.data_ptr<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  special.data_ptr<float>()[2 * kRow + 5] = std::numeric_limits<float>::infinity();
  const Tensor targets = classes({17, -100, 20'000});
  const std::vector<Call> calls = {
      [](const Tensors& a) { return softmax(a[0], 1); },
      [](const Tensors& a) { return log_softmax(a[0], 1); },
      [&](const Tensors& a) { return cross_entropy_loss(a[0], targets, {}, 0); },
      [&](const Tensors& a) { return cross_entropy_loss(a[0], targets, {}, 1, -100, 0.3); },
      [&](const Tensors& a) { return nll_loss(a[0], targets); },
      [](const Tensors& a) { return std::get<0>(topk(a[0], 50)); },
      [](const Tensors& a) { return std::get<0>(topk(floor(a[0]), 64, 1, false)); },
  };
  for (const Tensor& from : {x, special}) {
    for (std::size_t i = 0; i < calls.size(); ++i) {
      CAPTURE(i);
      const CutComparison found = compare_cuts([&] {
        const Tensor own = from.detach().set_requires_grad(true);
        const Tensor y = calls[i]({own});
        return Tensors{y, autograd::grad({y}, {own}, {ones_like(y)})[0]};
      });
      CHECK_THAT(found.difference, Equals(""));
    }
  }
}
