// parallel(): what depends on the order of the closures.
#include <any>
#include <atomic>
#include <latch>
#include <memory>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/parallel.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/tape/saved_tensor.h>
#include <backflow/runtime/threads/branch.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/serial_run.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr int kClosures = 6;

/// Takes the longer the earlier the closure is, so that it would be overtaken.
Tensor delayed(const Tensor& x, int i) {
  Tensor y = x;
  for (int k = 0; k < (kClosures - i) * 4; ++k) {
    y = tanh(mm(y, x));
  }
  return y;
}

Tensor input() { return random_tensor({48, 48}, "x", kFloat32, -1, 1).requires_grad_(); }

}  // namespace

TEST_CASE("parallel: random numbers are those of a serial run, on any number of threads") {
  Generator shared(9);
  check_as_in_a_row(
      [&] {
        manual_seed(4);
        shared.set_current_seed(9);
        const Tensor x = input();
        Program program{{x}, {}};
        for (int i = 0; i < kClosures; ++i) {
          program.closures.emplace_back([=] {
            const Tensor y = delayed(x, i);
            const Tensor mask = rand_like(y).sub(0.25).mul(1e9).clamp(0, 1);
            return y * mask / 0.75 + randn({48}) + rand({48}, i % 2 == 0 ? std::optional(shared) : std::nullopt);
          });
        }
        return program;
      },
      50);
}

TEST_CASE("parallel: a generator is seeded, read and restored in the order of the closures") {
  check_as_in_a_row([] {
    manual_seed(4);
    const Tensor x = input();
    return Program{{x},
                   {[=] { return delayed(x, 0) * rand({48}); },
                    [=] {
                      const Tensor state = get_rng_state();
                      const Tensor y = rand({48});
                      set_rng_state(state);
                      return x + y + rand({48});
                    },
                    [=] {
                      manual_seed(11);
                      return x * rand({48});
                    },
                    [=] { return x + rand({48}); }}};
  });
}

TEST_CASE("parallel: random numbers in closures of closures") {
  check_as_in_a_row(
      [] {
        manual_seed(4);
        const Tensor x = input();
        Program program{{x}, {}};
        for (int i = 0; i < 3; ++i) {
          program.closures.emplace_back([=] {
            Generator own(3);
            const auto y =
                parallel({[&] { return delayed(x, 2 * i) * rand({48}); }, [&] { return x * rand({48}, own); },
                          [&] { return x + rand({48}) * rand({48}, own); }});
            return y[0] + y[1] + y[2];
          });
        }
        return program;
      },
      10);
}

TEST_CASE("parallel: a closure does not wait for others before it draws from a generator of its own") {
  const Threads threads(2);
  std::latch drawn(1);
  parallel({[&] {
              drawn.wait();  // for ever, if the other waits for this one
              return Tensor();
            },
            [&] {
              Generator own(1);
              Tensor y = rand({3}, own);
              const DefaultGeneratorGuard guard(own.state());
              y = y + randn({3});
              drawn.count_down();
              return y;
            }});
}

// Says something in a process where nothing has drawn before: tests/CMakeLists.txt runs it alone, too.
TEST_CASE("parallel: the default generator belongs to no closure although one is the first to ask for it") {
  const Threads threads(2);
  std::latch made(1);
  const Tensor x = input();
  const auto y = parallel({[&] {
                             made.wait();
                             return delayed(x.detach(), -20) * 0 + rand({48});
                           },
                           [&] {
                             default_generator();
                             made.count_down();
                             return rand({48});
                           }});
  Generator::State before = default_generator().state();
  before.offset -= 2;
  default_generator().set_state(before);
  CHECK(bitwise_equal(y[0][0], rand({48})));
  CHECK(bitwise_equal(y[1], rand({48})));
}

TEST_CASE("parallel: settings of the caller hold in closures, and those of a closure end with it") {
  for (const int n : {1, 4}) {
    const Threads threads(n);
    SerialEngine engine;
    const EngineGuard engine_guard(engine);
    Closures closures;
    std::atomic<int> wrong{0};
    for (int i = 0; i < 16; ++i) {
      closures.emplace_back([&] {
        wrong += GradMode::is_enabled();
        wrong += &current_engine() != &engine;
        GradMode::set_enabled(true);
        return ones({1}, requires_grad()) * 2;
      });
    }
    {
      const NoGradGuard no_grad;
      for (const Tensor& y : parallel(closures)) {
        CHECK(y.requires_grad());
      }
      CHECK_FALSE(GradMode::is_enabled());
    }
    CHECK(wrong == 0);
    const InferenceMode inference;
    for (const Tensor& y : parallel(Closures(16, [] { return ones({1}) * 2; }))) {
      CHECK(y.is_inference());
    }
    CHECK(branch_id() == 0);
  }
}

TEST_CASE("parallel: hooks of the caller pack in the order of a serial run, one at a time") {
  std::vector<double> expected;
  for (const int n : {1, 2, 8}) {
    const Threads threads(n);
    for (int repeat = 0; repeat < 10; ++repeat) {
      std::vector<double> packed;  // without a lock
      const SavedTensorHooks hooks(
          [&](const Tensor& t) -> std::any {
            packed.push_back(t.sum().item<double>());
            return t;
          },
          [](const std::any& t) { return std::any_cast<const Tensor&>(t); });
      const Tensor x = input();
      Closures closures;
      for (int i = 0; i < kClosures; ++i) {
        closures.emplace_back([=] { return tanh(delayed(x.detach(), i) * x * i); });
      }
      parallel(closures);
      CHECK(packed.size() >= kClosures);
      if (expected.empty()) {
        expected = packed;
      }
      CHECK(packed == expected);
    }
  }
}

TEST_CASE("parallel: from several threads at once") {
  const Threads pool(4);
  std::atomic<int> wrong{0};
  Workers workers;
  for (int t = 0; t < 4; ++t) {
    workers.threads.emplace_back([&] {
      for (int repeat = 0; repeat < 20; ++repeat) {
        Generator shared(1);
        const std::uint64_t first = SequenceRange::reserve(0);
        const Tensor x = input();
        const auto y = parallel({[&] { return delayed(x, 4) * rand({48}, shared); },
                                 [&] { return x * rand({48}, shared); }, [&] { return x * rand({48}, shared); }});
        wrong += shared.state().offset != 3;
        wrong += y[2].grad_fn()->sequence_nr() + 1 != SequenceRange::reserve(0);
        wrong += SequenceRange::reserve(0) - first != 16 + 3;
        Generator same(1);
        rand({48}, same);
        rand({48}, same);
        wrong += !bitwise_equal(y[2], x * rand({48}, same));
      }
    });
  }
  workers.join();
  CHECK(wrong == 0);
}
