#include <backflow/distributed/communication_thread.h>

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
