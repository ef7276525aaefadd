// parallel(): the tape is that of a serial run, whatever the closures do.
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <backflow/ops/autograd/checkpoint.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/parallel.h>
#include <backflow/runtime/tape/custom_function.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/serial_run.h>

using namespace backflow;
using namespace backflow::test;
using autograd::AutogradContext;
using autograd::variable_list;

namespace {

Tensor leaf(const std::string& key, std::int64_t size = 24) {
  return random_tensor({size, size}, key, kFloat32, -1, 1).requires_grad_();
}

/// tanh(...tanh(x w)... w), `length` times.
Tensor chain(Tensor x, const Tensor& w, int length) {
  for (int i = 0; i < length; ++i) {
    x = tanh(mm(x, w));
  }
  return x;
}

struct Square : autograd::Function<Square> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x) {
    ctx->save_for_backward({x});
    return x * x;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    return {dy[0] * ctx->get_saved_variables()[0] * 2};
  }
};

/// x w, whose backward computes both gradients at the same time, and only those that are wanted.
struct Product : autograd::Function<Product> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& w) {
    ctx->save_for_backward({x, w});
    return mm(x, w);
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    const auto saved = ctx->get_saved_variables();
    return parallel({[&] { return ctx->needs_input_grad(0) ? mm(dy[0], saved[1].t()) : Tensor(); },
                     [&] { return ctx->needs_input_grad(1) ? mm(saved[0].t(), dy[0]) : Tensor(); }});
  }
};

/// x w, whose backward notes what closures on two threads are told about the gradients that are wanted.
struct Asks : autograd::Function<Asks> {
  static Tensor forward(AutogradContext*, const Tensor& x, const Tensor& w) { return x * w; }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    std::latch both(2);
    const auto ask = [&](std::size_t operand) {
      both.arrive_and_wait();
      return ctx->needs_input_grad(operand);
    };
    wanted = parallel([&] { return ask(0); }, [&] { return ask(1); });
    return {dy[0], dy[0]};
  }
  static std::tuple<bool, bool> wanted;
};
std::tuple<bool, bool> Asks::wanted;

/// A tree of closures that branch `depth` times.
Tensor tree(const Tensor& x, const Tensor& w, int depth) {
  if (depth == 0) {
    return chain(x, w, 1);
  }
  const auto y = parallel({[&] { return tree(x * 2, w, depth - 1); }, [&] { return chain(x, w, depth); },
                           [&] { return tree(x + 1, w, depth - 1); }});
  return y[0] * y[1] + y[2];
}

}  // namespace

TEST_CASE("parallel: results come in order, of any type") {
  for (const int n : {1, 2, 4}) {
    const Threads threads(n);
    Closures closures;
    for (int i = 0; i < 100; ++i) {
      closures.emplace_back([i] { return full({}, i); });
    }
    const auto results = parallel(closures);
    REQUIRE(results.size() == 100);
    for (int i = 0; i < 100; ++i) {
      CHECK(results[static_cast<std::size_t>(i)].item<int>() == i);
    }
    CHECK(parallel(Closures()).empty());
    CHECK(parallel({[] { return ones({2}); }}).size() == 1);
    const int seven = 7;
    auto [number, text, owned] = parallel([&]() -> const int& { return seven; }, [] { return std::string("text"); },
                                          [] { return std::make_unique<int>(3); });
    STATIC_REQUIRE(std::is_same_v<decltype(number), int>);
    CHECK(number == 7);
    CHECK(text == "text");
    CHECK(*owned == 3);
  }
}

TEST_CASE("parallel: closures run at the same time when there are two threads") {
  const Threads threads(2);
  std::latch both(2);
  const auto meet = [&] {
    both.arrive_and_wait();  // for ever, if the other has to wait for this one
    return ones({1});
  };
  CHECK(parallel({meet, meet}).size() == 2);
}

TEST_CASE("parallel: where the pool may not be used, and on one thread, closures run one after the other here") {
  const auto check_serial = [] {
    const auto here = std::this_thread::get_id();
    int running = 0;
    Closures closures;
    for (int i = 0; i < 10; ++i) {
      closures.emplace_back([&, i] {
        CHECK(std::this_thread::get_id() == here);
        CHECK(running++ == i);
        return Tensor();
      });
    }
    parallel(closures);
  };
  {
    const Threads threads(1);
    check_serial();
  }
  const Threads threads(4);
  run_on_fresh_stack(check_serial);
}

TEST_CASE("parallel: the tape and the gradients are those of a serial run") {
  check_as_in_a_row(
      [] {
        const Tensor w = leaf("w");
        const Tensor h = leaf("x") * w;  // recorded before
        Program program{{w}, {}};
        for (int i = 0; i < 8; ++i) {
          program.leaves.push_back(leaf("v" + std::to_string(i)));
          program.closures.emplace_back([=, v = program.leaves.back()] { return chain(h, v + w, (i * 5) % 7); });
        }
        program.closures.emplace_back([=] { return random_graph(3, 40).root * h; });
        return program;
      },
      20);
}

TEST_CASE("parallel: in closures of closures") {
  check_as_in_a_row([] {
    const Tensor w = leaf("w", 8);
    return Program{{w}, {[=] { return tree(w, w, 3); }, [=] { return w * 2; }, [=] { return tree(w + 1, w, 2); }}};
  });
}

TEST_CASE("parallel: nested deeper than a stack") {
  for (const int n : {1, 4}) {
    const Threads threads(n);
    const Tensor w = leaf("w", 2);
    const std::function<Tensor(int)> nested = [&](int depth) {
      return depth == 0 ? w * 1 : parallel({[&] { return nested(depth - 1) + 1; }, [&] { return w * 2; }})[0];
    };
    const std::uint64_t first = SequenceRange::reserve(0);
    const Tensor y = nested(2000);
    CHECK(SequenceRange::reserve(0) - first == 4001);
    CHECK(y.grad_fn()->sequence_nr() - first == 2000 + 1999);  // the last sum comes before the last product
    y.sum().backward();
    CHECK(bitwise_equal(w.grad(), ones({2, 2})));
  }
}

TEST_CASE("parallel: custom functions, in closures and around them") {
  check_as_in_a_row([] {
    const Tensor w = leaf("w");
    const Tensor fixed = random_tensor({24, 24}, "fixed");
    Program program{{w}, {}};
    for (int i = 0; i < 6; ++i) {
      program.closures.emplace_back([=] { return Product::apply(i % 2 == 0 ? fixed : Square::apply(w), w * i); });
    }
    return program;
  });
}

TEST_CASE("parallel: closures in a backward know which gradients are wanted") {
  const Threads threads(2);
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const Tensor x = leaf("x");
    const Tensor w = leaf("w");
    const Tensor y = Asks::apply(x, w).sum();
    autograd::grad({y}, {w}, {}, true);
    CHECK(Asks::wanted == std::tuple(false, true));
    autograd::grad({y}, {x, w});
    CHECK(Asks::wanted == std::tuple(true, true));
  }
}

TEST_CASE("parallel: changes in place of views, in closures and before them") {
  check_as_in_a_row([] {
    const Tensor w = leaf("w", 6);
    const Tensor shared = w * 1;
    const Tensor stale = shared[2];  // whose history the first that looks at it makes anew
    shared.mul_(2);
    Program program{{w}, {}};
    for (int i = 0; i < 6; ++i) {
      program.closures.emplace_back([=] {
        Tensor buffer = zeros({6, 6});
        const Tensor view = buffer[i];
        const Tensor late = chain(w, w, i == 1 ? 150 : 1);  // others would be at `stale` first
        buffer[(i + 1) % 6].copy_(w[i] * 3);
        view.copy_(tanh(w[0]));
        view.mul_(2);
        return buffer + view + late + (i % 2 == 1 ? stale : w[i]);
      });
    }
    return program;
  });
}

TEST_CASE("parallel: backward in closures adds to gradients in the order of a serial run") {
  check_as_in_a_row(
      [] {
        const Tensor w = leaf("w");
        const Tensor h = w * 1;
        Program program{{w}, {}};
        for (int i = 0; i < 6; ++i) {
          program.closures.emplace_back([=] {
            chain(h.detach(), w, 6 - i).sum().backward();
            const Tensor y = chain(h, w, 2).sum();
            return autograd::grad({y}, {w}, {}, true, /*create_graph=*/true)[0] * y;
          });
        }
        return program;
      },
      6);
}

TEST_CASE("parallel: checkpoints in closures, and closures in checkpoints") {
  const auto noisy = [](const Tensor& x) { return tanh(x * rand({24, 24})) * x; };
  check_as_in_a_row([&] {
    manual_seed(5);
    const Tensor w = leaf("w");
    const auto several = [noisy](const Tensor& x) {
      const auto y = parallel({[&] { return noisy(x); }, [&] { return tanh(x); }, [&] { return noisy(x * 2); }});
      return y[0] * y[1] * y[2];
    };
    return Program{{w},
                   {[=] { return checkpoint(several, w); }, [=] { return checkpoint(noisy, w * 2); },
                    [=] { return several(w); }, [=] { return checkpoint(several, checkpoint(noisy, w)); }}};
  });
}

TEST_CASE("parallel: called from hooks while branches of a pass run") {
  for (const int n : {1, 2, 8}) {
    const Threads threads(n);
    for (const auto& engine : engines()) {
      const EngineGuard guard(*engine);
      const Tensor x = ones({4}, requires_grad());
      Tensor total = zeros({4});
      for (int i = 0; i < 20; ++i) {
        const Tensor branch = x * i;
        branch.register_hook([&](const Tensor& dy) {
          const auto y = parallel({[&] { return dy * 2; }, [&] { return dy * 3; }, [&] { return dy * -4; }});
          return y[0] + y[1] + y[2];
        });
        total = total + branch;
      }
      total.sum().backward();
      CHECK(bitwise_equal(x.grad(), full({4}, 190.0)));
    }
  }
}
