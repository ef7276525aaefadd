// Writing while the caller goes on: one write at a time, in order, errors included.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/run/background_writer.h>

using namespace backflow;
using namespace backflow::train;

TEST_CASE("background writer: the caller goes on while a slow write is under way") {
  std::promise<void> may_end;
  BackgroundWriter writer;
  CHECK_FALSE(writer.is_busy());
  CHECK_FALSE(writer.take_end());
  writer.start([&] { may_end.get_future().wait(); });
  CHECK(writer.is_busy());
  CHECK_FALSE(writer.take_end());
  may_end.set_value();
  writer.wait();
  CHECK_FALSE(writer.is_busy());
  const auto end = writer.take_end();
  REQUIRE(end);
  CHECK(end->error.empty());
  CHECK(end->seconds >= 0);
  CHECK_FALSE(writer.take_end());  // it is told once
}

TEST_CASE("background writer: at most one write is in flight, and they run in order") {
  std::atomic<int> in_flight{0};
  std::atomic<bool> overlap{false};
  std::vector<int> order;
  BackgroundWriter writer;
  for (int i = 0; i < 50; ++i) {
    writer.start([&, i] {
      overlap = overlap || ++in_flight > 1;
      order.push_back(i);
      --in_flight;
    });
  }
  writer.wait();
  CHECK_FALSE(overlap);
  REQUIRE(order.size() == 50);
  for (int i = 0; i < 50; ++i) {
    CHECK(order[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("background writer: a write that fails is told, and the next one is not touched by it") {
  BackgroundWriter writer;
  writer.start([] { fail("disk: cannot write: full"); });
  writer.wait();
  auto end = writer.take_end();
  REQUIRE(end);
  CHECK(end->error == "disk: cannot write: full");
  writer.start([] { throw std::runtime_error(""); });  // an error without words is one all the same
  writer.wait();
  end = writer.take_end();
  REQUIRE(end);
  CHECK_FALSE(end->error.empty());
  writer.start([] {});
  writer.wait();
  end = writer.take_end();
  REQUIRE(end);
  CHECK(end->error.empty());
}

TEST_CASE("background writer: its end waits for the write") {
  bool done = false;
  {
    BackgroundWriter writer;
    std::promise<void> started;
    writer.start([&] {
      started.set_value();
      for (int i = 0; i < 1000; ++i) {
        std::this_thread::yield();
      }
      done = true;
    });
    started.get_future().wait();
  }
  CHECK(done);
}

TEST_CASE("background writer: it runs at low priority, and its loops take no thread of the pool") {
  const auto priority_here = [] { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); };
  const int own_priority = priority_here();
  int priority = 0;
  bool alone = true;
  BackgroundWriter writer;
  writer.start([&] {
    priority = priority_here();
    const std::thread::id own = std::this_thread::get_id();
    std::atomic<bool> same{true};
    parallel_for(64, [&](std::int64_t) { same = same && std::this_thread::get_id() == own; });
    alone = same;
  });
  writer.wait();
  CHECK(alone);
  CHECK(priority == std::min(own_priority + 10, 19));
  CHECK(priority_here() == own_priority);
  const auto end = writer.take_end();
  REQUIRE(end);
  CHECK(end->error.empty());
}
