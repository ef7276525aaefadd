// How asynchronous work tells its end, and the indices that the engine counts with.
#include <backflow/runtime/engine/completion.h>

#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>

#include <backflow/runtime/engine/indices.h>
#include <backflow/tests/catch2.h>

using namespace backflow;

static_assert(sizeof(NodeIndex) == sizeof(std::uint32_t) && std::is_trivially_copyable_v<NodeIndex>);
static_assert(!std::is_convertible_v<int, NodeIndex> && !std::is_convertible_v<NodeIndex, std::uint32_t>);
static_assert(!std::is_constructible_v<ItemIndex, NodeIndex> && !std::is_constructible_v<NodeIndex, InputIndex>);
static_assert(!NodeIndex().is_valid() && NodeIndex(0).is_valid() && NodeIndex(1) + 2 == NodeIndex(3));

TEST_CASE("completion: the first call counts, on any copy", "[completion]") {
  int calls = 0;
  std::exception_ptr first;
  const Completion done([&](std::exception_ptr error) {
    ++calls;
    first = std::move(error);
  });
  const Completion copy = done;
  copy(std::make_exception_ptr(std::runtime_error("lost")));
  done(nullptr);
  CHECK(calls == 1);
  CHECK_THROWS_WITH(std::rethrow_exception(first), "lost");
  CHECK(done);
  CHECK_FALSE(Completion());
}

TEST_CASE("completion: whoever waits goes on when it is called, and gets its error", "[completion]") {
  std::thread other;
  start_and_wait([&](const Completion& done) { other = std::thread([done] { done(nullptr); }); });
  other.join();
  const auto fail = [](const Completion& done) { done(std::make_exception_ptr(std::runtime_error("lost"))); };
  CHECK_THROWS_WITH(start_and_wait(fail), "lost");
  const auto fail_to_start = [](const Completion&) { throw std::logic_error("not started"); };
  CHECK_THROWS_WITH(start_and_wait(fail_to_start), "not started");
}
