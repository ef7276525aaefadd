// Batch normalization whose statistics are those of several processes: threads stand in for them.
#include <algorithm>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/error_of.h>

using namespace backflow;
using test::error_of;
using test::random_tensor;

namespace {

/// The sums of some threads: each waits for all others, and adds up in the order of the members.
class Meeting {
 public:
  explicit Meeting(std::size_t members) : parts_(members) {}

  void sum(std::size_t member, std::span<double> numbers) {
    std::unique_lock lock(mutex_);
    parts_[member].assign(numbers.begin(), numbers.end());
    const std::size_t round = round_;
    if (++arrived_ == parts_.size()) {
      arrived_ = 0;
      total_.assign(numbers.size(), 0.0);
      failed_ = failed_ || std::any_of(parts_.begin(), parts_.end(),
                                       [&](const auto& part) { return part.size() != numbers.size(); });
      for (auto& part : parts_) {
        part.resize(numbers.size());
        std::transform(part.begin(), part.end(), total_.begin(), total_.begin(), std::plus<>());
      }
      ++round_;
      changed_.notify_all();
    } else {
      changed_.wait(lock, [&] { return round_ != round; });
    }
    check(!failed_, "meeting: members are at different calls");
    std::copy(total_.begin(), total_.end(), numbers.begin());
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<double>> parts_;
  std::vector<double> total_;
  std::size_t arrived_ = 0;
  std::size_t round_ = 0;
  bool failed_ = false;
};

class Member final : public StatisticsGroup {
 public:
  Member(Meeting& meeting, std::size_t number) : meeting_(meeting), number_(number) {}
  void sum(std::span<double> numbers) override { meeting_.sum(number_, numbers); }

 private:
  Meeting& meeting_;
  std::size_t number_;
};

/// f(member, its group) of so many members, each on a thread.
template <class F>
auto for_members(std::size_t members, const F& f) {
  Meeting meeting(members);
  std::vector<std::future<std::invoke_result_t<F, std::size_t, std::shared_ptr<StatisticsGroup>>>> futures;
  for (std::size_t i = 0; i < members; ++i) {
    futures.push_back(std::async(std::launch::async, f, i, std::make_shared<Member>(meeting, i)));
  }
  std::vector<std::invoke_result_t<F, std::size_t, std::shared_ptr<StatisticsGroup>>> results;
  for (auto& future : futures) {
    results.push_back(future.get());
  }
  return results;
}

struct Results {
  Tensor y, dx, dw, db, running_mean, running_var;
};

/// One step of `norm`, whose parameters and running statistics are made from its number of features.
template <class Norm>
Results step(Norm& norm, const Tensor& x, const Tensor& dy) {
  const NoGradGuard off;
  norm.to(x.scalar_type());
  const std::int64_t n = norm.options.num_features();
  norm.weight.copy_(arange(1, static_cast<double>(n + 1)) / static_cast<double>(n));
  norm.bias.copy_(arange(static_cast<double>(n)) / 3.0);
  const AutoGradMode on(true);
  const Tensor leaf = x.detach().requires_grad_();
  const Tensor y = norm.forward(leaf);
  y.backward(dy);
  return {y.detach(), leaf.grad(), norm.weight.grad(), norm.bias.grad(), norm.running_mean, norm.running_var};
}

double difference(const Tensor& a, const Tensor& b) {
  return a.numel() == 0 ? 0 : (a - b).abs().max().template item<double>();
}

/// Compares the steps of parts of a batch with that of the whole.
template <class Norm, class Options>
void check_parts(const test::Index& sizes, ScalarType dtype, double tolerance) {
  const Tensor x = (random_tensor(sizes, "x", kFloat64) + 2).to(dtype);
  const Tensor dy = random_tensor(sizes, "dy", kFloat64).to(dtype);
  Norm whole{Options(sizes[1])};
  const Results expected = step(whole, x, dy);
  const std::vector<std::int64_t> begins = {0, 1, 1, sizes[0]};  // the second member has no sample
  const auto parts = for_members(3, [&](std::size_t i, const std::shared_ptr<StatisticsGroup>& group) {
    Norm norm{Options(sizes[1])};
    norm.set_statistics_group(group);
    return step(norm, x.slice(0, begins[i], begins[i + 1]), dy.slice(0, begins[i], begins[i + 1]));
  });
  Tensor dw = zeros_like(expected.dw);
  Tensor db = zeros_like(expected.db);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    INFO("member " << i);
    CHECK(difference(parts[i].y, expected.y.slice(0, begins[i], begins[i + 1])) <= tolerance);
    CHECK(difference(parts[i].dx, expected.dx.slice(0, begins[i], begins[i + 1])) <= tolerance);
    CHECK(difference(parts[i].running_mean, expected.running_mean) <= tolerance);
    CHECK(difference(parts[i].running_var, expected.running_var) <= tolerance);
    CHECK(test::bitwise_equal(parts[i].running_mean, parts[0].running_mean));
    CHECK(test::bitwise_equal(parts[i].running_var, parts[0].running_var));
    dw = dw + parts[i].dw;
    db = db + parts[i].db;
  }
  const auto n = static_cast<double>(x.numel());
  CHECK(difference(dw, expected.dw) <= tolerance * n);
  CHECK(difference(db, expected.db) <= tolerance * n);
}

}  // namespace

TEST_CASE("sync batch norm: parts of a batch, one of them empty, give what the whole gives", "[nn]") {
  check_parts<nn::SyncBatchNormImpl, nn::BatchNormOptions>({7, 5}, kFloat64, 1e-12);
  check_parts<nn::SyncBatchNormImpl, nn::BatchNormOptions>({4, 3, 9}, kFloat64, 1e-12);
  check_parts<nn::BatchNorm2dImpl, nn::BatchNorm2dOptions>({5, 32, 6, 7}, kFloat64, 1e-12);
  check_parts<nn::BatchNorm2dImpl, nn::BatchNorm2dOptions>({5, 32, 6, 7}, kFloat32, 1e-5);
  check_parts<nn::BatchNorm2dImpl, nn::BatchNorm2dOptions>({5, 3, 4, 4}, kBFloat16, 0.1);
  check_parts<nn::BNReLU2dImpl, nn::BatchNorm2dOptions>({5, 16, 6, 7}, kFloat64, 1e-12);
  check_parts<nn::SyncBatchNormImpl, nn::BatchNormOptions>({3, 4, 2, 3, 2}, kFloat64, 1e-12);
}

TEST_CASE("sync batch norm: blocked layouts and a residual", "[nn]") {
  const Tensor x = random_tensor({6, 32, 5, 5}, "3", kFloat32);
  const Tensor residual = random_tensor({6, 32, 5, 5}, "4", kFloat32);
  const Tensor w = random_tensor({32, 32, 3, 3}, "5", kFloat32);
  const auto run = [&](const Tensor& part, const Tensor& rest, const std::shared_ptr<StatisticsGroup>& group) {
    nn::BNReLU2dImpl norm(nn::BatchNorm2dOptions(32));
    norm.set_statistics_group(group);
    const Tensor in = part.detach().requires_grad_();
    const Tensor add = rest.detach().requires_grad_();
    const Tensor y = norm.forward(conv2d(in, w, {}, {1, 1}, {1, 1}), add);
    (y * y).sum().backward();
    return std::vector<Tensor>{y.detach(), in.grad(), add.grad()};
  };
  const std::vector<Tensor> expected = run(x, residual, nullptr);
  constexpr std::int64_t kBegins[] = {0, 4, 6};
  const auto parts = for_members(2, [&](std::size_t i, const std::shared_ptr<StatisticsGroup>& group) {
    return run(x.slice(0, kBegins[i], kBegins[i + 1]), residual.slice(0, kBegins[i], kBegins[i + 1]), group);
  });
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (std::size_t k = 0; k < expected.size(); ++k) {
      CHECK(difference(parts[i][k], expected[k].slice(0, kBegins[i], kBegins[i + 1])) <= 1e-3);
    }
  }
}

TEST_CASE("sync batch norm: in parallel branches members meet in the order of the tape on every engine", "[nn]") {
  constexpr int kBranches = 6;
  const Tensor x = random_tensor({8, 4, 16, 16}, "6", kFloat64);
  const auto gradient = [&](const Tensor& part, const std::shared_ptr<StatisticsGroup>& group) {
    nn::Branches branches;
    for (int i = 0; i < kBranches; ++i) {
      // Of different depths, so that branches become ready at different times.
      nn::Sequential branch;
      for (int k = 0; k <= i % 3; ++k) {
        nn::BatchNorm2d norm(nn::BatchNorm2dOptions(4));
        norm->to(kFloat64);
        norm->set_statistics_group(group);
        branch->push_back(norm);
        branch->push_back(nn::Tanh());
      }
      branches->push_back(nn::AnyModule(branch));
    }
    const Tensor leaf = part.detach().requires_grad_();
    branches->forward(leaf).pow(2).sum().backward();
    return leaf.grad();
  };
  const Tensor expected = gradient(x, nullptr);
  for (int repeat = 0; repeat < 10; ++repeat) {
    const auto parts = for_members(2, [&](std::size_t i, const std::shared_ptr<StatisticsGroup>& group) {
      SerialEngine serial;
      FlowEngine flow(FlowEngine::Use::Always);
      const EngineGuard guard(i == 0 && repeat % 2 == 0 ? static_cast<Engine&>(serial) : flow);
      const auto begin = static_cast<std::int64_t>(4 * i);
      return gradient(x.slice(0, begin, begin + 4), group);
    });
    CHECK(difference(cat(parts), expected) <= 1e-11);
  }
}

TEST_CASE("sync batch norm: errors", "[nn]") {
  const auto errors = for_members(2, [](std::size_t i, const std::shared_ptr<StatisticsGroup>& group) {
    nn::SyncBatchNorm norm(nn::BatchNormOptions(3), group);
    const Tensor part = zeros({static_cast<std::int64_t>(i), 3});
    std::vector<std::string> texts = {error_of([&] { norm->forward(part); })};
    const Tensor x = random_tensor({2, 3}, "7", kFloat32).requires_grad_();
    const Tensor y = norm->forward(x).sum();
    texts.push_back(error_of([&] { autograd::grad({y}, {x}, {}, true, true); }));
    return texts;
  });
  for (const auto& texts : errors) {
    CHECK_THAT(texts[0], ContainsSubstring("1 value per channel over all processes"));
    CHECK_THAT(texts[1], ContainsSubstring("create_graph"));
  }
}

TEST_CASE("sync batch norm: evaluation meets nobody", "[nn]") {
  Meeting meeting(2);
  nn::SyncBatchNorm norm(nn::BatchNormOptions(3), std::make_shared<Member>(meeting, 0));
  norm->eval();
  CHECK(norm->forward(zeros({1, 3})).sizes() == IntArrayRef({1, 3}));
}
