// The tracer: what it records of operators, nodes, passes and spans, on one thread and on several.
#include <backflow/runtime/trace/trace.h>

#include <algorithm>
#include <latch>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/critical_path.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/pass_task.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/tracing.h>

using namespace backflow;
using namespace backflow::test;
using trace::Event;
using trace::Kind;

namespace {

/// Every event ends before the next one of its thread starts, or lies inside of it.
bool nests(const trace::ThreadEvents& thread) {
  std::vector<const Event*> before;  // not inside of any so far
  for (const Event& event : thread.events) {
    while (!before.empty() && before.back()->start >= event.start) {
      before.pop_back();
    }
    if (event.end < event.start || (!before.empty() && before.back()->end > event.start)) {
      return false;
    }
    before.push_back(&event);
  }
  return true;
}

constexpr std::int64_t kRows = 32, kIn = 64, kOut = 48;

Tensor linear_loss(bool needs_dx) {
  Tensor x = ones({kRows, kIn}).set_requires_grad(needs_dx);
  const Tensor w = ones({kOut, kIn}, requires_grad());
  const Tensor b = ones({kOut}, requires_grad());
  return sum(relu(linear(x, w, b)));
}

}  // namespace

TEST_CASE("nothing is recorded while tracing is off", "[trace]") {
  { const Tracing tracing; }
  linear_loss(true).backward();
  { const trace::Span span("span"); }
  for (const trace::ThreadEvents& thread : trace::collect()) {
    CHECK(thread.events.empty());
  }
}

TEST_CASE("operators are recorded with shapes, operations and bytes", "[trace]") {
  const Tracing tracing;
  const Tensor x = ones({kRows, kIn}), w = ones({kOut, kIn}), b = ones({kOut});
  Tensor y = matmul(linear(x, w, b), w);
  y.mul_(2);
  const Event fc = only(Kind::kOperator, "linear");
  CHECK(fc.in.text() == "f32[32, 64], f32[48, 64], f32[48]");
  CHECK(fc.out.text() == "f32[32, 48]");
  CHECK(fc.flop == 2.0 * kRows * kIn * kOut);
  CHECK(fc.bytes == 4.0 * (kRows * kIn + kOut * kIn + kOut + kRows * kOut));
  CHECK(fc.end > fc.start);
  CHECK_FALSE(fc.nested);
  CHECK(only(Kind::kOperator, "matmul").out.text() == "f32[32, 64]");
  CHECK(only(Kind::kOperator, "matmul").bytes > 0);
  static_cast<void>(y.view({-1}));
  CHECK(only(Kind::kOperator, "view").bytes == 0);
  CHECK(only(Kind::kOperator, "view").flop == 0);
  CHECK(only(Kind::kOperator, "mul_").bytes == 2 * 4.0 * kRows * kIn);
  CHECK(only(Kind::kOperator, "mul_").flop == static_cast<double>(kRows * kIn));
  for (const Event& event : events(Kind::kOperator)) {
    CHECK(event.name != "mm");  // a part of matmul
  }
}

TEST_CASE("nodes are recorded with the shapes of their gradients, on every engine", "[trace]") {
  for (const auto& engine : engines()) {
    CAPTURE(engine->name());
    const EngineGuard guard(*engine);
    const Tensor loss = linear_loss(true);
    const Tensor first = linear_loss(false);
    const Tracing tracing;
    loss.backward();
    const Event fc = only(Kind::kNode, "AddmmBackward0");
    CHECK(fc.in.text() == "f32[32, 48]");
    CHECK(fc.out.text() == "f32[32, 64], f32[48, 64], f32[48]");
    CHECK(fc.flop == 4.0 * kRows * kIn * kOut);
    CHECK(fc.bytes >= 4.0 * (kRows * kOut + kRows * kIn + kOut * kIn + kOut));
    CHECK(events(Kind::kOperator).empty());  // those that nodes call are parts of them
    CHECK(events(Kind::kNode).size() == 6);  // with those of sum and relu, and three accumulators
    first.backward();
    CHECK(events(Kind::kNode).back().nested == false);
    double flop = 0;
    for (const Event& event : events(Kind::kNode)) {
      flop += event.name == "AddmmBackward0" ? event.flop : 0;
    }
    CHECK(flop == 6.0 * kRows * kIn * kOut);  // the second has no dx to compute
  }
}

TEST_CASE("a pass is recorded with its work and its longest path", "[trace]") {
  const Tensor loss = linear_loss(true);
  const Tracing tracing;
  loss.backward();
  const std::vector<Event> passes = events(Kind::kPass);
  REQUIRE(passes.size() == 1);
  double work = 0;
  for (const Event& event : events(Kind::kNode)) {
    work += static_cast<double>(event.end - event.start);
    CHECK(event.start >= passes[0].start);
    CHECK(event.end <= passes[0].end);
  }
  CHECK(passes[0].work >= work);
  CHECK(passes[0].critical > 0);
  CHECK(passes[0].critical <= passes[0].work);
}

TEST_CASE("the tasks of a pass count in its work and in its longest path", "[trace]") {
  for (const auto& engine : engines()) {
    CAPTURE(engine->name());
    const EngineGuard guard(*engine);
    const Tensor x = ones({kRows}, requires_grad());
    const auto compute = [] {
      const std::int64_t start = trace::now();
      while (trace::now() < start + 100'000) {
      }
    };
    // sum <- x <- first <- second: nothing can run beside anything else.
    const std::vector<PassTask> tasks = {{.leaves = {x}, .run = compute, .name = "first"},
                                         {.run = compute, .after = {TaskIndex(0)}, .name = "second"}};
    const Tensor loss = sum(x);
    const Tracing tracing;
    autograd::backward({loss}, {}, {.tasks = tasks});
    const Event pass = only(Kind::kPass, "backward pass");
    const double first = static_cast<double>(only(Kind::kTask, "first").end - only(Kind::kTask, "first").start);
    const double second = static_cast<double>(only(Kind::kTask, "second").end - only(Kind::kTask, "second").start);
    CHECK(pass.work >= first + second);
    CHECK(pass.critical == pass.work);
    CHECK(pass.work <= static_cast<double>(pass.end - pass.start));  // so that T/P is at most T/C
  }
}

TEST_CASE("events of a thread nest, also of passes inside of passes", "[trace]") {
  const Threads threads(4);
  FlowEngine engine(FlowEngine::Use::Always);
  const EngineGuard guard(engine);
  const Tensor x = ones({8, 8}, requires_grad());
  const Tensor loss = branches(x, 16, [](int) {
    const AutoGradMode recording(true);
    linear_loss(true).backward();
  });
  const Tracing tracing;
  {
    const trace::Span span("outer");
    loss.backward();
  }
  std::size_t nested = 0;
  for (const trace::ThreadEvents& thread : trace::collect()) {
    CAPTURE(thread.name);
    CHECK(nests(thread));
    CHECK(thread.dropped == 0);
    nested += static_cast<std::size_t>(
        std::count_if(thread.events.begin(), thread.events.end(), [](const Event& event) { return event.nested; }));
  }
  CHECK(nested == 16 * 6);                 // the nodes of the inner passes
  CHECK(events(Kind::kPass).size() == 1);  // these are part of a node of the outer one
  CHECK(only(Kind::kSpan, "outer").end > 0);
}

TEST_CASE("each thread has a row and a name, which the next one takes over", "[trace]") {
  const Tracing tracing;
  for (int i = 0; i < 2; ++i) {
    std::thread([] {
      trace::name_thread("radio");
      const trace::Span span("sends", 4096);
    }).join();
    std::thread([] { const trace::Span span("computes"); }).join();
  }
  std::map<std::string, std::size_t> count;
  for (const trace::ThreadEvents& thread : trace::collect()) {
    CHECK(count.count(thread.name) == 0);
    count[thread.name] = thread.events.size();
  }
  CHECK(count.at("radio") == 2);
  CHECK(std::any_of(count.begin(), count.end(),
                    [](const auto& c) { return c.first.starts_with("worker ") && c.second == 2; }));
  CHECK(count.count("main") == 1);
  CHECK(events(Kind::kSpan)[0].bytes + events(Kind::kSpan).back().bytes == 4096);
}

TEST_CASE("events beyond the limit are dropped and counted", "[trace]") {
  const Tracing tracing({.max_events = 300, .observer = nullptr});
  for (int i = 0; i < 1000; ++i) {
    const trace::Span span("span");
  }
  for (const trace::ThreadEvents& thread : trace::collect()) {
    if (thread.name == "main") {
      CHECK(thread.events.size() == 300);
      CHECK(thread.dropped == 700);
    }
  }
}

TEST_CASE("events can be read while other threads record", "[trace][tsan]") {
  const Tracing tracing;
  std::latch started(2);
  std::atomic<bool> done{false};
  Workers workers;
  for (int t = 0; t < 2; ++t) {
    workers.threads.emplace_back([&] {
      for (int i = 0; i < 3000 || !done; ++i) {
        const trace::Span span("span", static_cast<std::size_t>(i));
        if (i == 0) {
          started.count_down();
        }
      }
    });
  }
  started.wait();
  for (int i = 0; i < 20; ++i) {
    for (const trace::ThreadEvents& thread : trace::collect()) {
      bool complete = true;
      for (std::size_t e = 0; e < thread.events.size(); ++e) {
        complete = complete && thread.events[e].name == "span" && thread.events[e].bytes == static_cast<double>(e);
      }
      CHECK(complete);
    }
  }
  done = true;
}

TEST_CASE("tracing can't be turned on twice, and forgets what was before", "[trace]") {
  {
    const Tracing tracing;
    const trace::Span span("before");
    CHECK_THROWS_AS(trace::start(), Error);
  }
  const Tracing tracing;
  { const trace::Span span("after"); }
  const std::vector<Event> spans = events(Kind::kSpan);
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].name == "after");
  CHECK(events(Kind::kSpan).size() == 1);
  CHECK(trace::collect(trace::now()).empty() == false);  // main has a name
  for (const trace::ThreadEvents& thread : trace::collect(trace::now())) {
    CHECK(thread.events.empty());
  }
}

TEST_CASE("live bytes are those of tensors at the end of an event", "[trace]") {
  const Tracing tracing;
  const std::int64_t before = memory_stats().current_bytes;
  Tensor large;
  {
    const trace::Span span("allocate");
    large = ones({4 << 20});
  }
  large = Tensor();
  { const trace::Span span("freed"); }
  CHECK(only(Kind::kSpan, "allocate").live_bytes - before >= 16 << 20);
  CHECK(only(Kind::kSpan, "freed").live_bytes - before < 1 << 20);
}

TEST_CASE("shapes that do not fit are counted", "[trace]") {
  trace::Shapes shapes;
  shapes.add(ones({2, 3}));
  shapes.add(Tensor());
  shapes.add(ones({1, 1, 1, 1, 1, 1, 1, 7}));
  CHECK(shapes.text() == "f32[2, 3], -, f32[1, 1, 1, 1, 1, 1, 1, 7]");
  CHECK(shapes.sizes(2).back() == 7);
  shapes.add(ones({1, 1, 1, 1, 1, 1, 1}));  // the 17th size
  shapes.add(ones({}));
  CHECK(shapes.text() == "f32[2, 3], -, f32[1, 1, 1, 1, 1, 1, 1, 7], ...");
  CHECK(shapes.size() == 3);
  CHECK(shapes.count() == 5);
  CHECK(shapes.bytes() == 4.0 * (6 + 7 + 1 + 1));
}
