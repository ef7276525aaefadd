// Loops on the threads of the pool.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/threads/pool.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/engines.h>

using namespace backflow;
using namespace backflow::test;
using Catch::Matchers::Contains;

namespace {

/// The outermost loop whose chunk this thread is in; -1 for none.
thread_local int outermost = -1;

struct Inside {
  explicit Inside(int loop) : before(outermost) { outermost = loop; }
  ~Inside() { outermost = before; }
  int before;
};

/// Loops inside of loops, and chunks that fail, `depth` deep. Chunks write to this stack frame. The result is that of a
/// serial run, whoever computes.
int nested_loops(int depth, unsigned seed) {
  const auto chunks = static_cast<int>(2 + seed % 11);
  std::vector<int> done(static_cast<std::size_t>(chunks));
  parallel_for(chunks, [&](std::int64_t i) {
    const auto c = static_cast<unsigned>(i);
    done[c] += 1 + (depth > 0 && (seed + c) % 3 == 0 ? nested_loops(depth - 1, seed * 7 + c) : 0);
  });
  std::atomic<int> inside{0};
  try {
    parallel_for(chunks, [&](std::int64_t i) {
      ++inside;
      if (depth > 0) {
        nested_loops(depth - 1, seed + 1);
      }
      --inside;
      if ((seed + static_cast<unsigned>(i)) % 4 == 0) {
        throw std::runtime_error("chunk");
      }
    });
  } catch (const std::runtime_error&) {
    ++done[0];
  }
  return std::accumulate(done.begin(), done.end(), 0) + 1000 * inside;
}

std::vector<int> nested_results() {
  std::vector<int> results;
  for (unsigned seed = 0; seed < 12; ++seed) {
    results.push_back(nested_loops(2, seed));
  }
  return results;
}

}  // namespace

TEST_CASE("loops: every chunk runs once", "[loops]") {
  for (const int threads : {1, 2, 3, 8, 64}) {
    const Threads guard(threads);
    for (const std::int64_t chunks : {0, 1, 2, 3, 7, 64, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(chunks));
      for (int i = 0; i < 20; ++i) {
        parallel_for(chunks, [&](std::int64_t c) { ++runs[static_cast<std::size_t>(c)]; });
      }
      for (const auto& n : runs) {
        REQUIRE(n == 20);
      }
    }
  }
}

TEST_CASE("loops: those inside of loops are shared too", "[loops]") {
  const Threads guard(4);
  for (int i = 0; i < 200; ++i) {
    std::atomic<int> sum{0};
    parallel_for(5, [&](std::int64_t a) {
      parallel_for(6, [&](std::int64_t b) {
        parallel_for(3, [&](std::int64_t c) { sum += static_cast<int>(100 * a + 10 * b + c); });
      });
    });
    REQUIRE(sum == 100 * 10 * 18 + 10 * 15 * 15 + 3 * 30);
  }
}

TEST_CASE("loops: the first exception is rethrown, and the next loop is whole again", "[loops]") {
  const Threads guard(4);
  for (int i = 0; i < 100; ++i) {
    REQUIRE_THROWS_WITH(parallel_for(64,
                                     [&](std::int64_t c) {
                                       if (c % 9 == 4) {
                                         throw std::runtime_error("chunk");
                                       }
                                     }),
                        Contains("chunk"));
    std::atomic<int> runs{0};
    parallel_for(64, [&](std::int64_t) { ++runs; });
    REQUIRE(runs == 64);
  }
}

TEST_CASE("loops: a waiting thread runs nothing but chunks inside of its loop", "[loops]") {
  const Threads guard(3);
  std::atomic<int> strangers{0};
  std::atomic<int> runs{0};
  Workers workers;
  for (int caller = 0; caller < 4; ++caller) {
    workers.threads.emplace_back([&, caller] {
      for (int i = 0; i < 100; ++i) {
        parallel_for(3, [&](std::int64_t) {
          strangers += outermost != -1 && outermost != caller;
          const Inside loop(caller);
          parallel_for(4, [&](std::int64_t) {
            strangers += outermost != -1 && outermost != caller;
            ++runs;
          });
        });
      }
    });
  }
  workers.join();
  CHECK(strangers == 0);
  CHECK(runs == 4 * 100 * 3 * 4);
}

TEST_CASE("loops: more callers than there are places", "[loops]") {
  const Threads guard(2);
  std::atomic<int> runs{0};
  Workers workers;
  for (int caller = 0; caller < 80; ++caller) {
    workers.threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        parallel_for(8, [&](std::int64_t) {
          std::this_thread::yield();
          ++runs;
        });
      }
    });
  }
  workers.join();
  CHECK(runs == 80 * 10 * 8);
}

TEST_CASE("loops: other threads take part, with and without watching for loops", "[loops]") {
  const Threads guard(2);
  const double before = spin_time();
  for (const double spin : {0.0, 50.0, 1000.0}) {
    set_spin_time(spin);
    CHECK(spin_time() == spin);
    std::atomic<int> there{0};
    std::atomic<bool> met{false};
    // Ends when two threads are in it at once.
    parallel_for(2, [&](std::int64_t) {
      ++there;
      for (; there < 2 && !met; std::this_thread::yield()) {
      }
      met = true;
    });
    CHECK(met);
  }
  set_spin_time(before);
  CHECK_THROWS_WITH(set_spin_time(-1), Contains("set_spin_time: -1 us: need a number from 0 to 1e6"));
}

TEST_CASE("loops: nested loops and errors are as in a serial run, whoever starts them", "[loops]") {
  std::vector<int> expected;
  {
    const Threads guard(1);
    expected = nested_results();
  }
  const Threads guard(6);
  std::atomic<int> wrong{0};
  std::atomic<bool> done{false};
  Workers lender;
  lender.threads.emplace_back([&] {
    while (!done) {
      const ThreadLease lease(4);
      std::this_thread::yield();
    }
  });
  Workers callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.threads.emplace_back([&] { wrong += nested_results() != expected; });
  }
  tbb::task_arena arena(3);
  arena.execute([&] { tbb::parallel_for(0, 4, [&](int) { wrong += nested_results() != expected; }); });
  callers.join();
  done = true;
  lender.join();
  CHECK(wrong == 0);
}

TEST_CASE("loops: the number of threads changes while helpers watch or leave", "[loops]") {
  const Threads guard(2);
  const double before = spin_time();
  std::atomic<int> runs{0};
  for (const double spin : {0.0, 5.0, 1e6}) {
    set_spin_time(spin);
    for (int i = 0; i < 60; ++i) {
      set_num_threads(2 + i % 5);
      for (int loop = 0; loop < i % 3; ++loop) {
        parallel_for(6, [&](std::int64_t) { ++runs; });
      }
    }
  }
  set_spin_time(before);
  CHECK(runs == 3 * 60 * 6);
}

TEST_CASE("loops: a forked process computes on its own", "[loops]") {
  const Threads guard(4);
  const std::vector<int> expected = nested_results();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    bool good = nested_results() == expected;
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      good = good && get_num_threads() == threads && nested_results() == expected;
    }
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(nested_results() == expected);
}

TEST_CASE("cuts: free pieces follow the work and the threads", "[loops]") {
  {
    const Threads guard(1);
    CHECK(free_pieces(1000, 1e9) == 1);
  }
  const Threads guard(8);
  CHECK(free_pieces(1000, 100) == 1);
  CHECK(free_pieces(1000, 3 * kLeastPiece) == 3);
  CHECK(free_pieces(3, 1e9) == 3);
  CHECK(free_pieces(0, 1e9) == 1);
  CHECK(free_pieces(1000, 1e6) >= 8);
  for (const std::int64_t pieces : {1, 2, 3, 7, 64}) {
    const ForcedPieces forced(pieces);
    CHECK(free_pieces(1000, 1) == pieces);
    CHECK(free_pieces(2, 1) == std::min<std::int64_t>(pieces, 2));
    std::vector<std::atomic<int>> seen(1000);
    std::atomic<bool> aligned{true};
    parallel_ranges(
        1000, 1,
        [&](std::int64_t begin, std::int64_t end) {
          aligned = aligned && begin % 16 == 0;
          for (std::int64_t i = begin; i < end; ++i) {
            ++seen[static_cast<std::size_t>(i)];
          }
        },
        16);
    CHECK(aligned);
    CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& n) { return n == 1; }));
  }
}
