// The child process that reads files of others first. What damaged HDF5 files do to it is in damaged_hdf5_test.py; here
// the body itself misbehaves.
#include <csignal>

#include <unistd.h>

#include <atomic>
#include <new>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <backflow/io/dumps/guard_child_internal.h>
#include <backflow/io/dumps/guarded_read_internal.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io::detail;
using test::error_of;

namespace {

const std::string kPath = "a.h5";

GuardLimits limits_of(long processor_seconds) {
  GuardLimits limits(0);
  limits.processor_seconds = processor_seconds;
  return limits;
}

GuardChild started(const GuardLimits& limits, FunctionRef<void()> body) {
  const pid_t parent = ::getpid();
  const auto silent = [&](GuardReport&) { body(); };
  return GuardChild::forked(kPath, [&](int pipe) { run_guard_child(pipe, kPath, limits, parent, silent); });
}

// Takes all that the child sends.
std::string said_by(GuardChild& child, const GuardChild::Patience& patience) {
  std::string said;
  char buffer[64];
  while (const std::size_t got = child.receive(std::as_writable_bytes(std::span(buffer)), patience)) {
    said.append(buffer, got);
  }
  return said;
}

std::string outcome(FunctionRef<void()> body) {
  return error_of([&] { read_in_child({kPath}, body); });
}

[[noreturn]] void loop() {
  for (std::atomic<int> i = 0;; ++i) {
  }
}

}  // namespace

TEST_CASE("guarded read: what the body throws or does not throw is what the caller gets") {
  CHECK(outcome([] {}) == "no error");
  CHECK(outcome([] { fail(kPath, ": 'x' is no dataset"); }) == "a.h5: 'x' is no dataset");
}

TEST_CASE("guarded read: a crash is an error that names the file") {
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS}) {
    CHECK(outcome([&] { std::raise(signal); }) ==
          "a.h5: the file is damaged in a way that makes HDF5 crash: need an intact copy");
  }
  CHECK(outcome([] { ::_exit(0); }) == "a.h5: the file is damaged in a way that makes HDF5 crash: need an intact copy");
  CHECK_THAT(outcome([] { std::raise(SIGKILL); }), StartsWith("a.h5: signal 9 ended the child process"));
}

TEST_CASE("guarded read: an endless loop is ended by the limit of processor time") {
  GuardChild child = started(limits_of(1), [] { loop(); });
  CHECK(said_by(child, GuardChild::Patience(std::chrono::seconds(1000))).empty());
  CHECK(child.end() == GuardChild::End::Itself);
  CHECK(child.signal() == SIGXCPU);
}

TEST_CASE("guarded read: a child is ended when it takes too long, or when a stop is requested") {
  GuardChild waits = started(limits_of(100), [] { ::pause(); });
  said_by(waits, GuardChild::Patience(std::chrono::seconds(0)));
  CHECK(waits.end() == GuardChild::End::TooLong);
  GuardChild loops = started(limits_of(100), [] { loop(); });
  said_by(loops, GuardChild::Patience(std::chrono::seconds(1000), [] { return true; }));
  CHECK(loops.end() == GuardChild::End::Stopped);
}

TEST_CASE("guarded read: a child that is about to end may do so after a stop is requested") {
  GuardChild child = started(limits_of(100), [] {});
  CHECK(said_by(child, GuardChild::Patience(std::chrono::seconds(1000), [] { return true; })) == "D");
  CHECK(child.end() == GuardChild::End::Itself);
}

TEST_CASE("guarded read: messages of the child arrive as they are sent") {
  const std::string large(3 << 20, 'x');
  GuardedRead child({kPath}, [&](GuardReport& report) {
    report.send(std::as_bytes(std::span("abc", 3)));
    report.send({});
    report.send(std::as_bytes(std::span(large)));
  });
  CHECK(child.receive(3) == "abc");
  CHECK(child.receive(3).empty());
  std::string received(large.size(), ' ');
  child.receive(std::as_writable_bytes(std::span(received)));
  CHECK(received == large);
  child.finish();
}

TEST_CASE("guarded read: what is not as long as it should be is an error") {
  const auto send = [](GuardReport& report) { report.send(std::as_bytes(std::span("abc", 3))); };
  CHECK(error_of([&] { GuardedRead({kPath}, send).receive(2); }) ==
        "a.h5: damaged, or made to fill memory: its names and texts have 3 bytes: need at most 2");
  char four[4];
  CHECK(error_of([&] { GuardedRead({kPath}, send).receive(std::as_writable_bytes(std::span(four))); }) ==
        "a.h5: 3 bytes of a tensor's 4: need an intact copy");
  const auto fail_later = [&](GuardReport& report) {
    send(report);
    fail(kPath, ": 'x' is damaged");
  };
  GuardedRead child({kPath}, fail_later);
  CHECK(child.receive(3) == "abc");
  CHECK(error_of([&] { child.receive(3); }) == "a.h5: 'x' is damaged");
}

TEST_CASE("guarded read: too much memory is an error that names the file") {
  const auto fill = [] {
    std::vector<std::vector<char>> blocks;
    for (;;) blocks.emplace_back(std::size_t{16} << 20, 'x');
  };
  constexpr const char* kWanted = "a.h5: damaged, or made to fill memory: reading it takes more than 256 MiB";
  CHECK_THAT(outcome([] { throw std::bad_alloc(); }), StartsWith(kWanted));
#ifdef __SANITIZE_ADDRESS__
  WARN("AddressSanitizer ends a process that has no memory, where it should throw: memory is not filled");
  static_cast<void>(fill);
#else
  CHECK_THAT(outcome(fill), StartsWith(kWanted));
#endif
}

TEST_CASE("guarded read: the child prints nothing, and long messages are cut") {
  const std::string text = outcome([] { fail(kPath, ": ", std::string(1 << 20, 'x')); });
  CHECK(text.size() > 60000);
  CHECK(text.size() < 70000);
}

TEST_CASE("guarded read: several threads at a time") {
  std::vector<std::string> outcomes(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    threads.emplace_back([&outcomes, i] { outcomes[i] = outcome([&] { fail(kPath, ": ", i); }); });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < outcomes.size(); ++i) CHECK(outcomes[i] == to_text("a.h5: ", i));
}
