#include <backflow/runtime/engine/engine.h>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <backflow/distributed/data_parallel.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;

namespace {

/// Hands the gradient `value` to each of its operands, or throws.
class Source final : public Node {
 public:
  Source(std::vector<Tensor> operands, double value, bool throws = false)
      : operands_(std::move(operands)), value_(value), throws_(throws) {
    for (const Tensor& x : operands_) {
      edges_.push_back(gradient_edge(x));
    }
    set_edges(edges_);
    set_cost({.flop = 0, .bytes = 24e6F});  // worth a task of its own
  }

  std::string name() const override { return "Source"; }
  void apply(NodeCall& call) override {
    if (throws_) {
      throw std::runtime_error("no gradient today");
    }
    for (std::size_t i = 0; i < operands_.size(); ++i) {
      if (call.wants(i)) {
        call.dx[i] = filled(operands_[i].sizes(), value_, operands_[i].scalar_type());
      }
    }
  }

 private:
  std::vector<Tensor> operands_;
  std::vector<Edge> edges_;
  double value_;
  bool throws_;
};

Tensor result_of(std::vector<Tensor> operands, double value, bool throws = false) {
  const Tensor y = filled({}, 0);
  set_history(y, Node::make<Source>(std::move(operands), value, throws));
  return y;
}

/// A loss whose gradient with respect to parameter i is `value + i`, by way of a branch for each.
Tensor loss_of(const std::vector<Tensor>& parameters, double value) {
  std::vector<Tensor> branches;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    branches.push_back(result_of({parameters[i]}, value + static_cast<double>(i)));
  }
  return result_of(branches, 1);
}

void run_backward(DataParallel& parallel, const Tensor& loss, GradientSync sync = GradientSync::Now) {
  parallel.begin_backward(sync);
  const std::vector<PassTask> tasks = parallel.reductions();
  autograd::backward({loss}, {}, {.tasks = sync == GradientSync::Now ? tasks : std::span<const PassTask>()});
}

template <class F>
void with_both_engines(F&& f) {
  SerialEngine serial;
  FlowEngine flow;
  for (Engine* engine : {static_cast<Engine*>(&serial), static_cast<Engine*>(&flow)}) {
    const EngineGuard guard(*engine);
    INFO("engine " << engine->name());
    f();
  }
}

std::vector<Tensor> make_parameters(std::size_t n) {
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < n; ++i) {
    out.push_back(parameter({static_cast<std::int64_t>(50 + i)}));
  }
  return out;
}

DataParallelOptions small_buckets() {
  DataParallelOptions options;
  options.limits = {200, 600};
  return options;
}

}  // namespace

TEST_CASE("engine: a backward sums gradients over the ranks", "[engine]") {
  const auto ours = world();
  with_both_engines([&] {
    const auto parameters = make_parameters(20);
    DataParallel parallel(parameters, ours, small_buckets());
    for (int step = 0; step < 10; ++step) {
      parallel.zero_grad();
      run_backward(parallel, loss_of(parameters, ours->rank() + step));
      const int n = ours->size();
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        CHECK(all_equal(parameters[i].grad(), n * (n - 1) / 2 + n * (step + static_cast<double>(i))));
      }
    }
  });
}

TEST_CASE("engine: parameters that a backward does not reach do not hold it up", "[engine]") {
  const auto ours = world();
  with_both_engines([&] {
    const auto parameters = make_parameters(9);
    DataParallel parallel(parameters, ours, small_buckets());
    // Rank r uses all but parameter r; nobody uses the last.
    std::vector<Tensor> used(parameters.begin(), parameters.end() - 1);
    used.erase(used.begin() + ours->rank());
    run_backward(parallel, result_of(used, 2));
    for (int i = 0; i < 8; ++i) {
      const int users = ours->size() - (i < ours->size() ? 1 : 0);
      const Tensor& grad = parameters[static_cast<std::size_t>(i)].grad();
      CHECK(grad.defined() == (users > 0));
      CHECK((users == 0 || all_equal(grad, 2 * users)));
    }
    CHECK_FALSE(parameters[8].grad().defined());
  });
}

TEST_CASE("engine: a backward that throws on all ranks ends, and the next one works", "[engine]") {
  const auto ours = world();
  with_both_engines([&] {
    const auto parameters = make_parameters(6);
    DataParallel parallel(parameters, ours, small_buckets());
    const auto backward = [&](const Tensor& loss) {
      parallel.zero_grad();
      run_backward(parallel, loss);
    };
    // The root throws, so that no rank has sent anything.
    CHECK_THROWS_WITH(backward(result_of(parameters, 1, true)), ContainsSubstring("no gradient today"));
    backward(loss_of(parameters, 3));
    CHECK(all_equal(parameters[0].grad(), 3 * ours->size()));
  });
}

TEST_CASE("engine: micro-batches, the last of which is sent", "[engine]") {
  const auto ours = world();
  with_both_engines([&] {
    const auto parameters = make_parameters(6);
    DataParallel parallel(parameters, ours, small_buckets());
    for (int step = 0; step < 2; ++step) {
      parallel.zero_grad();
      for (const auto sync : {GradientSync::Later, GradientSync::Later, GradientSync::Now}) {
        run_backward(parallel, loss_of(parameters, 1), sync);
      }
      CHECK(all_equal(parameters[2].grad(), 9 * ours->size()));
    }
  });
}
