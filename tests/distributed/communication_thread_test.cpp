#include <backflow/distributed/calls/communication_thread.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <backflow/runtime/base/error.h>
#include <backflow/tests/catch2.h>

using backflow::Cancelled;
using backflow::distributed::CommunicationThread;

namespace {

void never_kill(int) {}

}  // namespace

TEST_CASE("communication thread: jobs run in order on one thread", "[communication_thread]") {
  CommunicationThread thread(never_kill);
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  for (int i = 0; i < 100; ++i) {
    thread.post(
        [&, i] {
          order.push_back(i);
          threads.push_back(std::this_thread::get_id());
        },
        [](const std::exception_ptr&) {});
  }
  thread.run([] {});
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) {
    CHECK(order[static_cast<std::size_t>(i)] == i);
    CHECK(threads[static_cast<std::size_t>(i)] == threads[0]);
  }
  CHECK(threads[0] != std::this_thread::get_id());
  CHECK(thread.close([] {}));
}

TEST_CASE("communication thread: an exception reaches who asked", "[communication_thread]") {
  CommunicationThread thread(never_kill);
  CHECK_THROWS_WITH(thread.run([] { throw std::runtime_error("bad"); }), Equals("bad"));
  thread.run([] {});
  CHECK(thread.close([] {}));
}

TEST_CASE("communication thread: waits until a test holds", "[communication_thread]") {
  CommunicationThread thread(never_kill);
  std::atomic<bool> ready{false};
  std::thread other([&] { ready = true; });
  thread.run([&] { thread.wait_until([&] { return ready.load(); }); });
  CHECK(ready);
  other.join();
  CHECK(thread.close([] {}));
}

TEST_CASE("communication thread: the last job may refuse", "[communication_thread]") {
  CommunicationThread thread(never_kill);
  CHECK_FALSE(thread.close([] { throw std::runtime_error("the others are elsewhere"); }));
  thread.run([] {});
  CHECK(thread.close([] {}));
}

TEST_CASE("communication thread: unfinished jobs are dropped, none hangs", "[communication_thread]") {
  // Kept to the end of the program, as after every refused close.
  auto* thread = new CommunicationThread(never_kill);
  std::vector<std::future<void>> ends;
  for (int i = 0; i < 3; ++i) {
    auto promise = std::make_shared<std::promise<void>>();
    ends.push_back(promise->get_future());
    thread->post([thread] { thread->wait_until([] { return false; }); },
                 [promise](const std::exception_ptr& error) { promise->set_exception(error); });
  }
  bool was_last_run = false;
  CHECK_FALSE(thread->close([&] { was_last_run = true; }));
  CHECK_FALSE(was_last_run);
  for (auto& end : ends) {
    CHECK_THROWS_AS(end.get(), Cancelled);
  }
}

TEST_CASE("communication thread: callers may run what nobody waits before", "[communication_thread]") {
  CommunicationThread thread(never_kill);
  thread.run([&] { thread.let_callers_run(true); });
  const std::thread::id self = std::this_thread::get_id();
  std::thread::id runner;
  const auto note = [&runner] { runner = std::this_thread::get_id(); };
  SECTION("the caller, when there is no other job") {
    thread.run(note);
    CHECK(runner == self);
  }
  SECTION("not before a job that was posted earlier") {
    std::promise<void> go;
    std::vector<int> order;
    thread.post(
        [&] {
          go.get_future().wait();
          order.push_back(0);
        },
        [](const std::exception_ptr&) {});
    std::thread other([&] { go.set_value(); });
    thread.run([&] { order.push_back(1); });
    other.join();
    CHECK(order == std::vector<int>{0, 1});
  }
  SECTION("one job at a time: what is posted meanwhile comes after it, on the thread") {
    std::vector<int> order;
    std::promise<void> ended;
    thread.run([&] {
      thread.post(
          [&] {
            note();
            order.push_back(1);
          },
          [&ended](const std::exception_ptr&) { ended.set_value(); });
      order.push_back(0);
    });
    ended.get_future().wait();
    CHECK(runner != self);
    CHECK(order == std::vector<int>{0, 1});
  }
  SECTION("an exception reaches the caller, and the turn ends") {
    CHECK_THROWS_WITH(thread.run([] { throw std::runtime_error("bad"); }), Equals("bad"));
    thread.run(note);
    CHECK(runner == self);
  }
  SECTION("a job may not wait for another one") {
    CHECK_THROWS_WITH(thread.run([&] { thread.run([] {}); }), Catch::Matchers::Contains("called from its own thread"));
  }
  SECTION("of many callers one at a time") {
    int count = 0;  // no lock: the turn is one
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        for (int k = 0; k < 500; ++k) {
          thread.run([&count] { ++count; });
        }
      });
    }
    for (std::thread& caller : callers) {
      caller.join();
    }
    CHECK(count == 2000);
  }
  CHECK(thread.close([] {}));
}
