// parallel(): errors in closures.
#include <atomic>
#include <latch>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/parallel.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/threads/branch.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/serial_run.h>

using namespace backflow;
using namespace backflow::test;

namespace {

/// Closures that say where they were, of which those in `failing` throw.
struct Failing {
  explicit Failing(std::vector<int> failing) : failing_(std::move(failing)) {}

  Closures closures(int count) {
    Closures all;
    for (int i = 0; i < count; ++i) {
      all.emplace_back([this, i] {
        const Tensor y = ones({2}, requires_grad()) * 2;
        for (const int failing : failing_) {
          if (i == failing) {
            throw std::runtime_error(std::to_string(i));
          }
        }
        const Tensor drawn = rand({2});
        draws |= 1U << i;
        return y * drawn;
      });
    }
    return all;
  }

  std::atomic<unsigned> draws{0};

 private:
  std::vector<int> failing_;
};

}  // namespace

TEST_CASE("parallel: the first error of a serial run comes out, and random numbers and the tape go on from there") {
  for (const int n : {1, 2, 8}) {
    const Threads threads(n);
    for (int repeat = 0; repeat < 20; ++repeat) {
      manual_seed(2);
      Failing failing({4, 2, 7});
      const std::uint64_t first = SequenceRange::reserve(0);
      CHECK_THROWS_WITH(parallel(failing.closures(10)), Equals("2"));
      CHECK(SequenceRange::reserve(0) - first == 5);  // two nodes of each closure, one of the failed one
      CHECK(failing.draws == 0b11);                   // none after the failed one
      CHECK(default_generator().state().offset == 2);
      CHECK(branch_id() == 0);
      CHECK(parallel(Failing({}).closures(10)).size() == 10);
    }
  }
}

TEST_CASE("parallel: an error that comes first in time does not come first in order") {
  const Threads threads(2);
  std::latch failed(1);
  const Closures closures = {[&]() -> Tensor {
                               failed.wait();
                               throw std::runtime_error("first");
                             },
                             [&]() -> Tensor {
                               failed.count_down();
                               throw std::runtime_error("second");
                             }};
  CHECK_THROWS_WITH(parallel(closures), Equals("first"));
}

TEST_CASE("parallel: a closure that runs when one before it fails does not get to draw") {
  for (const int n : {2, 8}) {
    const Threads threads(n);
    manual_seed(2);
    std::latch started(1);
    bool drawn = false;
    const Closures closures = {[&]() -> Tensor {
                                 started.wait();
                                 throw std::runtime_error("first");
                               },
                               [&] {
                                 started.count_down();
                                 const Tensor y = rand({2});
                                 drawn = true;
                                 return y;
                               }};
    CHECK_THROWS_WITH(parallel(closures), Equals("first"));
    CHECK_FALSE(drawn);
    CHECK(default_generator().state().offset == 0);
  }
}

TEST_CASE("parallel: errors in closures of closures") {
  for (const int n : {1, 2, 4}) {
    const Threads threads(n);
    for (int repeat = 0; repeat < 20; ++repeat) {
      manual_seed(2);
      Failing first({});
      Failing second({1});
      Failing third({0});
      const auto inner = [](Failing& failing) { return [&] { return parallel(failing.closures(4))[0]; }; };
      CHECK_THROWS_WITH(parallel({inner(first), inner(second), inner(third)}), Equals("1"));
      CHECK(default_generator().state().offset == 5);
      CHECK(third.draws == 0);
    }
  }
}
