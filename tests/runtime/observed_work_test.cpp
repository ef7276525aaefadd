// Loops and passes of a thread are reported, and run as if for other numbers of threads.
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/parallel.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/threads/observed_work.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>

using namespace backflow;
using namespace backflow::test;

namespace {

/// Writes down what is reported: loops as "[0 1 ]" and graphs as "{0>1,2 0 1 2 }", with what nests in a task behind its
/// number.
class Log final : public WorkObserver {
 public:
  void begin_loop(std::int64_t tasks) override { open(to_text("[", tasks, ":"), "]"); }
  void begin_graph(std::span<const std::vector<std::uint32_t>> successors) override {
    std::string edges = "{";
    for (std::size_t i = 0; i < successors.size(); ++i) {
      edges += to_text(i == 0 ? "" : " ", i, ">");
      for (std::size_t k = 0; k < successors[i].size(); ++k) {
        edges += to_text(k == 0 ? "" : ",", successors[i][k]);
      }
    }
    open(edges + ":", "}");
  }
  void begin_task(std::size_t task) override {
    text += to_text(" ", task);
    ++running_;
  }
  void end_task() override { --running_; }
  void end() override {
    text += closing_.back();
    closing_.pop_back();
  }

  bool is_balanced() const { return closing_.empty() && running_ == 0; }
  std::string text;

 private:
  void open(const std::string& opening, const char* closing) {
    text += opening;
    closing_.emplace_back(closing);
  }

  std::vector<std::string> closing_;
  int running_ = 0;
};

/// What `f` is reported to do when it runs as if on `threads`.
std::string report_of(const std::function<void()>& f, int threads = 4) {
  Log log;
  {
    const ObservedWork observed(log, threads);
    f();
  }
  CHECK(log.is_balanced());
  return log.text;
}

void loop(
    std::int64_t chunks, const std::function<void(std::int64_t)>& body = [](std::int64_t) {}) {
  parallel_for(chunks, body);
}

std::vector<Tensor> gradients_of(std::uint64_t seed, std::int64_t size) {
  const Graph graph = random_graph(seed, 60, size);
  return autograd::grad({graph.root}, graph.leaves, {}, std::nullopt, false, true);
}

}  // namespace

TEST_CASE("observed work: loops are reported in order, and those inside of their tasks") {
  CHECK(report_of([] { loop(3); }) == "[3: 0 1 2]");
  CHECK(report_of([] { loop(2), loop(2); }) == "[2: 0 1][2: 0 1]");
  CHECK(report_of([] { loop(2, [](std::int64_t i) { loop(i + 1); }); }) == "[2: 0 1[2: 0 1]]");
}

TEST_CASE("observed work: a loop of one task is no loop") {
  CHECK(report_of([] { loop(0), loop(1); }).empty());
}

TEST_CASE("observed work: tasks run in order, on this thread, whatever the pool") {
  for (const int n : {1, 3}) {
    const Threads threads(n);
    std::vector<std::int64_t> order;
    const auto caller = std::this_thread::get_id();
    report_of([&] {
      loop(5, [&](std::int64_t i) {
        order.push_back(i);
        CHECK(std::this_thread::get_id() == caller);
      });
    });
    CHECK(order == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  }
}

TEST_CASE("observed work: loops are cut for the threads that it asks for") {
  const Threads threads(3);
  const auto pieces = [] { return free_pieces(1'000'000, 1e9); };
  CHECK(target_threads() == 3);
  const std::int64_t on_three = pieces();
  Log log;
  {
    const ObservedWork outer(log, 64);
    CHECK(target_threads() == 64);
    CHECK(pieces() > on_three);
    {
      const ObservedWork inner(log, 1);
      CHECK(target_threads() == 1);
      CHECK(pieces() == 1);
    }
    CHECK(target_threads() == 64);
    std::thread([] { CHECK(target_threads() == 3); }).join();
  }
  CHECK(target_threads() == 3);
  CHECK(pieces() == on_three);
}

TEST_CASE("observed work: the guard of an inner scope reports to its own observer") {
  Log outer;
  Log inner;
  {
    const ObservedWork observed(outer, 4);
    {
      const ObservedWork other(inner, 4);
      loop(2);
    }
    loop(3);
  }
  loop(4);
  CHECK(inner.text == "[2: 0 1]");
  CHECK(outer.text == "[3: 0 1 2]");
}

TEST_CASE("observed work: what a task throws arrives, and the scope ends") {
  Log log;
  const auto broken = [&] {
    const ObservedWork observed(log, 4);
    loop(3, [](std::int64_t i) { i == 1 ? throw std::runtime_error("broken") : void(); });
  };
  CHECK_THROWS_AS(broken(), std::runtime_error);
  CHECK(log.text == "[3: 0 1");
  CHECK(detail::work_observer() == nullptr);
  CHECK(detail::observed_threads() == 0);
}

TEST_CASE("observed work: numbers of threads") {
  Log log;
  for (const int threads : {-1, 0, 1025}) {
    CHECK_THROWS_AS(ObservedWork(log, threads), Error);
    CHECK(detail::work_observer() == nullptr);
  }
  CHECK_THROWS_WITH(ObservedWork(log, 0), Equals("ObservedWork: 0: need a number from 1 to 1024"));
}

TEST_CASE("observed work: closures of parallel() are a loop, unless it is for one thread") {
  const Threads threads(1);
  const std::vector<std::function<Tensor()>> closures(3, [] { return ones({2}) + 1; });
  CHECK(report_of([&] { parallel(closures); }) == "[3: 0 1 2]");
  CHECK(report_of([&] { parallel(closures); }, 1).empty());
}

TEST_CASE("observed work: a backward pass as a flow graph is reported with its edges") {
  const Threads threads(1);
  FlowEngine always(FlowEngine::Use::Always);
  const EngineGuard guard(always);
  const Tensor x = ones({2}, requires_grad());
  std::vector<std::string> ran;
  const auto named = [&](const Tensor& y, const char* name) {
    return hooked(y, [&ran, name] { ran.emplace_back(name); });
  };
  const Tensor y = named(named(x, "left") + named(x, "right"), "join").sum();
  const std::string report = report_of([&] { y.backward(); });
  CHECK(ran.size() == 3);
  CHECK(ran[0] == "join");
  CHECK(bitwise_equal(x.grad(), full({2}, 2.0)));
  CHECK(report.starts_with("{0>"));
  CHECK(report.ends_with("}"));
}

TEST_CASE("observed work: loops inside of nodes nest in their graph") {
  const Threads threads(1);
  FlowEngine always(FlowEngine::Use::Always);
  const EngineGuard guard(always);
  const Tensor x = ones({2}, requires_grad());
  const Tensor y = hooked(x, [] { loop(2); }).sum();
  const std::string report = report_of([&] { y.backward(); });
  CHECK(report.find("[2: 0 1]") != std::string::npos);
  CHECK(report.starts_with("{"));
}

TEST_CASE("observed work: a serial pass is no graph") {
  SerialEngine serial;
  const EngineGuard guard(serial);
  const Tensor y = hooked(ones({2}, requires_grad()), [] { loop(2); }).sum();
  CHECK(report_of([&] { y.backward(); }) == "[2: 0 1]");
}

TEST_CASE("observed work: bits of random graphs are those of plain runs, whatever the threads that it asks for") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    for (const std::int64_t size : {3, 70}) {
      const std::vector<Tensor> expected = gradients_of(seed, size);
      for (const auto& engine : engines()) {
        const EngineGuard guard(*engine);
        for (const int threads : {1, 2, 8, 64}) {
          std::vector<Tensor> found;
          report_of([&] { found = gradients_of(seed, size); }, threads);
          INFO("seed " << seed << ", size " << size << ", engine " << engine->name() << ", " << threads << " threads");
          CHECK(bitwise_equal(found, expected));
        }
      }
    }
  }
}
